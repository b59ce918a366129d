"""The evaluation report: what the gate reads and a reader wants to see; schema, reading, writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import Field, ValidationError

from models.errors import InputError
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.metric import Metric
from models.evaluation.published import PublishedFigure
from models.evaluation.versus_champion import VersusChampion
from models.params import Section

SCHEMA_VERSION = 1
Metrics = dict[str, Metric]


class ReportError(InputError):
    """An evaluation report is missing, damaged or of another schema version."""


class ModelIdentity(Section):
    """Which model was judged.

    Attributes
    ----------
    weights_sha256
        Of the weights file.
    version
        As the model folder names itself.
    """

    weights_sha256: str = Field(min_length=8)
    version: str


class Counts(Section):
    """How many there were; the parts add up to the whole.

    Attributes
    ----------
    patients, vertebrae, crops
        By split, before anything was left out.
    judged_patients, judged_vertebrae
        By split, after.
    excluded
        Reason -> patients left out for it, all splits together.
    test_by_vendor
        Judged test patients.
    test_with_finding
        Judged test patients who have each finding by DXA.
    """

    patients: dict[str, int]
    vertebrae: dict[str, int]
    crops: dict[str, int]
    judged_patients: dict[str, int]
    judged_vertebrae: dict[str, int]
    excluded: dict[str, int]
    test_by_vendor: dict[str, int]
    test_with_finding: dict[str, int]


class FrozenOnCalibration(Section):
    """What calibration patients froze, per patient and per vertebra."""

    patient: dict[str, FrozenCutoff]
    vertebra: dict[str, FrozenCutoff]
    bmd_half_width_g_cm2: float
    tbs_half_width: float
    interval_coverage: float


class EvaluationReport(Section):
    """report.json.

    Attributes
    ----------
    test_set_sha256
        Of the sorted hashes of the judged test patients: two reports with the same are comparable.
    test_looks
        How often this data set's test patients were looked at, this time included; None when no log is kept.
    patient, vertebra
        Metric name -> metric on test patients, on their vertebrae.
    by_vendor
        Patient-level metrics of each vendor's test patients, same cut-offs.
    baselines
        Baseline -> the same patient-level metrics on the same test patients.
    gains
        Baseline -> network minus baseline, paired.
    paper
        Published figures for comparison.
    versus_champion
        Challenger minus champion, paired; None without a champion (and in the champion's own report).
    figures
        File names beside the report.
    """

    schema_version: Literal[1]
    statement: str
    data_kind: Literal["simulated", "site"]
    data_version: str
    model: ModelIdentity
    test_set_sha256: str
    test_looks: int | None
    reference: str
    confidence: float
    counts: Counts
    frozen: FrozenOnCalibration
    patient: Metrics
    vertebra: Metrics
    by_vendor: dict[str, Metrics]
    baselines: dict[str, Metrics]
    gains: dict[str, Metrics]
    paper: dict[str, PublishedFigure]
    versus_champion: VersusChampion | None = None
    figures: tuple[str, ...]
    notes: tuple[str, ...]


def write_report(report: EvaluationReport, path: Path) -> None:
    """Write report.json, beside it first and then renamed in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def read_report(path: Path) -> EvaluationReport:
    """Read report.json.

    Raises
    ------
    ReportError
        Missing, not JSON, holding NaN or infinity, of another schema version, or not of this form.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror}); run the evaluation step") from error
    except ValueError as error:  # also UnicodeDecodeError
        raise ReportError(f"{path}: not a JSON report ({error})") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ReportError(
            f"{path}: evaluation report of schema {version!r}; this version reads {SCHEMA_VERSION}: "
            "evaluate the model again"
        )
    try:
        return EvaluationReport.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReportError(f"{path}: {where}: {first['msg']} ({error.error_count()} problems)") from error


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is not a number")
