"""The evaluation report: what the gate reads and a reader wants to see; schema, reading, writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import Field, ValidationError

from models.bone_reference import ScalesParams
from models.errors import InputError
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.metric import Metric
from models.evaluation.published import PublishedFigure
from models.evaluation.saliency_facts import SaliencyFacts
from models.evaluation.versus_champion import VersusChampion
from models.params import Section

SCHEMA_VERSION = 2
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
        Judged test patients of every vendor in the data, be there none of them.
    test_with_finding
        Judged test patients who have each finding by DXA.
    tbs_judged_patients
        Of the judged patients by split, those whose TBS is judged.
    tbs_not_judged
        Reason -> judged test patients whose TBS is not (BMI outside its range, or not known).
    """

    patients: dict[str, int]
    vertebrae: dict[str, int]
    crops: dict[str, int]
    judged_patients: dict[str, int]
    judged_vertebrae: dict[str, int]
    excluded: dict[str, int]
    test_by_vendor: dict[str, int]
    test_with_finding: dict[str, int]
    tbs_judged_patients: dict[str, int] = Field(default_factory=dict)
    tbs_not_judged: dict[str, int] = Field(default_factory=dict)


class FrozenOnCalibration(Section):
    """What calibration patients froze.

    Attributes
    ----------
    patient, vertebra
        Finding -> cut-off on patients' and on vertebrae's estimates.
    interval_method
        How the half-widths came about, in words.
    interval_patients
        Target -> calibration patients behind its half-width; empty when that is not known.
    alternatives
        Alternative finding (`EvaluationReport.alternatives`) -> cut-off on patients' estimates.
    hu_rule_hu
        Flag rule of today's practice: flagged at or below this trabecular HU; None when it could not be frozen.
    """

    patient: dict[str, FrozenCutoff]
    vertebra: dict[str, FrozenCutoff]
    bmd_half_width_g_cm2: float
    tbs_half_width: float
    interval_coverage: float
    interval_method: str = "split conformal"
    interval_patients: dict[str, int] = Field(default_factory=dict)
    alternatives: dict[str, FrozenCutoff] = Field(default_factory=dict)
    hu_rule_hu: FrozenCutoff | None = None


class Subgroup(Section):
    """The patients of one group.

    Attributes
    ----------
    n
        Judged test patients.
    reason
        Why there are no metrics ('too few: 7 patients, 10 needed'); None when there are.
    metrics
        Patient-level metrics at the common frozen cut-offs, and '<target>.r_difference' (r of the group minus
        r of all others); empty below the minimum.
    """

    n: int = Field(ge=0)
    reason: str | None = None
    metrics: Metrics = Field(default_factory=dict)


class NamedMetrics(Section):
    """Metrics with a title for people and what was assumed in measuring them.

    Attributes
    ----------
    reference_cut
        Published cut on the reference scale that the finding is defined by, where there is one.
    """

    title: str
    says: str
    reference_cut: float | None = None
    metrics: Metrics


class Curve(Section):
    """Points for drawing, `y` against `x`; `low` and `high` bound `y` where an interval was computed.

    `y` is None where it is not defined.
    """

    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] | None = None
    high: tuple[float | None, ...] | None = None


class DecisionCurves(Section):
    """Is acting on the estimate better than sending everybody, or nobody, to DXA?

    Attributes
    ----------
    net_benefit
        Strategy ('network', 'hu', 'hu_age_sex_bmi', 'flag rule', 'everyone', 'nobody') -> net benefit per patient
        against the threshold probability (Vickers and Elkin 2006). Probabilities are logistic regressions of
        the finding on the estimate, fitted on calibration patients.
    scans
        Strategy -> share of those with the finding that are sent to DXA (y) against the share of all patients
        sent (x), sweeping the cut-off.
    number_needed_to_scan
        Strategy -> DXA scans per patient found (y) against sensitivity (x).
    n, positives
        Test patients whose covariates are all known, and those of them with the finding.
    reason
        Why there are no curves; None when there are.
    """

    finding: str
    title: str
    n: int = Field(default=0, ge=0)
    positives: int = Field(default=0, ge=0)
    net_benefit: dict[str, Curve] = Field(default_factory=dict)
    scans: dict[str, Curve] = Field(default_factory=dict)
    number_needed_to_scan: dict[str, Curve] = Field(default_factory=dict)
    reason: str | None = None


class EvaluationReport(Section):
    """report.json.

    Attributes
    ----------
    test_set_sha256
        Of the sorted hashes of the judged test patients: two reports with the same are comparable.
    test_looks
        How often any of these test patients was looked at, this time included; None when no log is kept.
    flag_on
        Findings of which any leads to a flag; empty in reports that were written before it was kept.
    patient, vertebra
        Metric name -> metric on test patients, on their vertebrae.
    by_vendor
        Patient-level metrics of each vendor's test patients, same cut-offs.
    baselines
        Baseline -> the same patient-level metrics on the same test patients.
    gains
        Baseline -> network minus baseline, paired: 'bmd.pearson_r', 'tbs.pearson_r', '<finding>.auc'; with
        baseline 'ceiling' also '<target>.share_of_ceiling', network's r over the ceiling's.
    scales
        Section `scales` as it was judged by, with its sources.
    paper_protocol
        Findings by the paper's own protocol; `says` names what is assumed.
    alternatives
        Other published cuts (TBS 1.23, 1.20, 1.35; percent of the young adult mean) judged alike.
    subgroups
        Dimension ('vendor', 'kernel_class', 'slice_thickness', 'kvp', 'sex', 'age', 'bmi') -> group -> metrics.
    flag_rules
        Rule ('network', 'everyone', 'hu', 'hu_at_network_sensitivity') -> how it would have flagged the test
        patients; 'network_minus_<HU rule>' holds the paired differences.
    decision_curves
        Finding, or 'any' -> curves.
    paper
        Published figures for comparison.
    versus_champion
        Challenger minus champion, paired; None without a champion (and in the champion's own report).
    saliency
        Whether the model looks at the vertebral body; None where nobody asked.
    figures
        File names beside the report.
    """

    schema_version: Literal[2]
    statement: str
    data_kind: Literal["simulated", "site"]
    data_version: str
    model: ModelIdentity
    test_set_sha256: str
    test_looks: int | None
    reference: str
    confidence: float
    flag_on: tuple[str, ...] = ()
    counts: Counts
    frozen: FrozenOnCalibration
    patient: Metrics
    vertebra: Metrics
    by_vendor: dict[str, Metrics]
    baselines: dict[str, Metrics]
    gains: dict[str, Metrics]
    paper: dict[str, PublishedFigure]
    scales: ScalesParams | None = None
    paper_protocol: NamedMetrics | None = None
    alternatives: dict[str, NamedMetrics] = Field(default_factory=dict)
    subgroups: dict[str, dict[str, Subgroup]] = Field(default_factory=dict)
    flag_rules: dict[str, NamedMetrics] = Field(default_factory=dict)
    decision_curves: dict[str, DecisionCurves] = Field(default_factory=dict)
    versus_champion: VersusChampion | None = None
    saliency: SaliencyFacts | None = None
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
