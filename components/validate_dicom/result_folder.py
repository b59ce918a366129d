"""What validation leaves on disk: tables, Data Docs, the page and the manifest, whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from components.validate_dicom.batch_rules import NO_RECORD
from components.validate_dicom.choice_table import mixed_only
from components.validate_dicom.intake_counts import IntakeCounts
from components.validate_dicom.offline_pages import make_offline
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.summary_page import PageFacts, render_summary
from components.validate_dicom.tables import (
    ACCEPTED_FILE,
    DECISIONS_FILE,
    QUARANTINE_FILE,
    SCHEMA_VERSION,
    QuarantineRow,
    quarantine_frame,
    write_table,
)
from components.validate_dicom.validation import Validation
from models.errors import OsteoGateError
from models.replace_folder import replace_folder
from models.write_failure import unwritten


class ValidationWriteError(OsteoGateError):
    """The result of validation could not be written; an earlier one stays."""


@dataclass(frozen=True)
class ValidationSummary:
    """What was accepted and why the rest was not.

    Attributes
    ----------
    counts
        See `accounting.Account`; for files, series and exams the parts sum to `<name>_read`.
    codes
        How often each refusal code was given.
    warnings
        Lines that did not hold anything back.
    by_vendor
        Accepted pairs per vendor.
    vendor_mix
        How the vendors compare with those of the last accepted batch, or that they were not compared.
    series_without_air
        Accepted series whose field of view holds no air, so that its HU was not checked.
    decisions
        A line per series: taken or left, and why (see `choice_table.one_line_each`).
    """

    counts: dict[str, int]
    codes: dict[str, int]
    warnings: tuple[str, ...]
    by_vendor: dict[str, int]
    data_kind: str
    data_version: str
    seconds: float
    vendor_mix: str = NO_RECORD
    series_without_air: int = 0
    decisions: tuple[dict[str, str], ...] = field(default=(), repr=False)


def write_result(
    out: Path,
    validation: Validation,
    summary: ValidationSummary,
    accepted: pd.DataFrame,
    quarantine: list[QuarantineRow],
    decisions: pd.DataFrame,
    intake_counts: IntakeCounts,
    params: ValidateParams,
) -> None:
    """Everything beside `out` first, then renamed in: a reader sees the old result or the new one.

    Raises
    ------
    ValidationWriteError
        Disk full and the like; an earlier result stays.
    """
    beside = out.with_name(f".{out.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    try:
        beside.mkdir(parents=True)
        write_table(accepted, beside / ACCEPTED_FILE)
        write_table(quarantine_frame(quarantine), beside / QUARANTINE_FILE)
        write_table(decisions, beside / DECISIONS_FILE)
        validation.write_data_docs(beside / "data_docs")
        make_offline(beside / "data_docs", validation.outcomes, summary.data_kind)
        facts = PageFacts(
            counts=summary.counts,
            codes=summary.codes,
            by_vendor=summary.by_vendor,
            warnings=summary.warnings,
            data_kind=summary.data_kind,
            data_version=summary.data_version,
            others=intake_counts.other_lines,
            vendor_mix=summary.vendor_mix,
            series_without_air=summary.series_without_air,
            choices=tuple(mixed_only(list(summary.decisions))),
        )
        page = render_summary(facts, quarantine)
        (beside / "summary.html").write_text(page, encoding="utf-8")
        manifest = {
            "schema_version": SCHEMA_VERSION,
            **{name: value for name, value in asdict(summary).items() if name != "decisions"},
            "others_by_code": intake_counts.others_by_code,
            "params": params.model_dump(mode="json"),
        }
        (beside / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        replace_folder(beside, out)
    except OSError as error:
        raise ValidationWriteError(f"{out}: result not written {unwritten(error)}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
