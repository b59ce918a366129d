"""The validate step: three tables, their suites, the accepted pairs, the quarantine and the pages about them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

import pandas as pd
import structlog

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series_table import read_series_table
from components.validate_dicom.accepted_batches import (
    AcceptedBatch,
    batch_name,
    last_before,
    read_batches,
    record_batch,
)
from components.validate_dicom.accounting import account
from components.validate_dicom.batch_rules import (
    NO_RECORD,
    MixVerdict,
    batch_rules,
    batch_wide_rules,
    compare_with_last,
)
from components.validate_dicom.choice_table import decision_frame, mixed_only, one_line_each
from components.validate_dicom.dxa_rules import dxa_batch_rules, dxa_rules
from components.validate_dicom.dxa_table import read_dxa_table
from components.validate_dicom.intake_counts import IntakeCounts, read_intake_counts
from components.validate_dicom.labels import accepted_frame
from components.validate_dicom.offline_pages import make_offline
from components.validate_dicom.pairing import Pairing, pair
from components.validate_dicom.pairing_rules import pairing_batch_rules, pairing_rules, with_partner
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.quarantine import (
    quarantine_exams,
    quarantine_left,
    quarantine_pairs,
    quarantine_series,
)
from components.validate_dicom.rules import Severity
from components.validate_dicom.series_frame import SERIES_COLUMNS, rule_frame
from components.validate_dicom.series_rules import series_batch_rules, series_rules
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
from components.validate_dicom.validation import Finding, TableFindings, Validation
from models.errors import InputError, OsteoGateError
from models.refusal import MEANINGS, Code
from models.replace_folder import replace_folder
from models.write_failure import unwritten

log = structlog.get_logger()


class ValidationWriteError(OsteoGateError):
    """The result of validation could not be written; an earlier one stays."""


class NothingAcceptedError(InputError):
    """Every series was refused; the summary page, which is written all the same, says why."""


class VendorMixError(InputError):
    """The vendors are not those of the last accepted batch, and `validate.batch.vendor_mix.action` is refuse."""


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


@dataclass(frozen=True)
class _Judged:
    accepted: pd.DataFrame
    quarantine: list[QuarantineRow]
    warnings: tuple[str, ...]
    pairing: Pairing
    mix: MixVerdict


def run(
    *,
    intake: Path,
    dxa_csv: Path,
    out: Path,
    key: bytes,
    params: ValidateParams,
    data_kind: str,
    data_version: str,
    batches: Path | None = None,
    levels_follow: bool = False,
) -> ValidationSummary:
    """Judge the intake's series and the DXA table; write everything into `out`, replacing it whole.

    Writes accepted.parquet, quarantine.parquet and series_choice.parquet (see `tables`), data_docs/, summary.html,
    manifest.json.

    Parameters
    ----------
    batches
        Record of the batches accepted before (see `accepted_batches`), to compare vendors with and to add this
        batch to; None compares and records nothing.
    levels_follow
        An engine will look for levels where none came with a series, so that is no reason to refuse it yet.

    Raises
    ------
    InputError
        When a table cannot be read, has no rows or lacks columns; or, after writing, when nothing at all was
        accepted, or the vendors are others and `vendor_mix.action` is refuse.
    CountsDoNotAddUpError
        When a file, series or exam is not in exactly one place.
    ValidationWriteError
        Disk full and the like; an earlier result stays.
    """
    start = perf_counter()
    series = read_series_table(intake / "series.parquet")
    if levels_follow:
        series = series.assign(has_levels=True)
    intake_counts = read_intake_counts(intake)
    exams = read_dxa_table(dxa_csv, Pseudonymiser(key))
    validation = Validation()
    before = read_batches(batches) if batches is not None else None
    judged = _judge(validation, series, exams, params, before, data_kind)
    books = account(
        series, intake_counts.other_count, intake_counts.file_count, exams, judged.accepted, judged.quarantine
    )
    accepted = accepted_frame(judged.accepted)
    decisions = decision_frame(
        series, intake_counts.others, judged.quarantine, judged.pairing, set(accepted["series"])
    )
    summary = ValidationSummary(
        counts=books.counts,
        codes=books.codes,
        warnings=judged.warnings,
        by_vendor={str(name): int(count) for name, count in accepted["vendor"].value_counts().items()},
        data_kind=data_kind,
        data_version=data_version,
        seconds=round(perf_counter() - start, 3),
        vendor_mix=judged.mix.words,
        decisions=tuple(one_line_each(decisions)),
        series_without_air=int(
            series.loc[series["series"].isin(accepted["series"]), "hu_air_peak"].isna().sum()
        ),
    )
    _write(out, validation, summary, accepted, judged.quarantine, decisions, intake_counts, params)
    log.info("validated", **books.counts)
    if accepted.empty:
        raise NothingAcceptedError(
            f"{dxa_csv.parent}: none of {books.counts['series_read']} series was accepted"
            f"{_most_often(judged.quarantine)}; {out / 'summary.html'} names each with its code"
        )
    if judged.mix.differs and params.batch.vendor_mix.action == "refuse":
        raise VendorMixError(
            f"{dxa_csv.parent}: vendors: {judged.mix.words}; accept it with validate.batch.vendor_mix.action: warn"
        )
    if batches is not None:
        name = batch_name(accepted["series"])
        record_batch(
            batches,
            AcceptedBatch(
                batch=name, data_kind=data_kind, data_version=data_version, by_vendor=summary.by_vendor
            ),
        )
    return summary


def _judge(
    validation: Validation,
    series: pd.DataFrame,
    exams: pd.DataFrame,
    params: ValidateParams,
    before: tuple[AcceptedBatch, ...] | None,
    data_kind: str,
) -> _Judged:
    """All suites in turn: pairing sees only what passed its own table, the batch suite only accepted pairs."""
    of_series = validation.check(
        "series",
        rule_frame(series),
        "series",
        series_batch_rules(params, SERIES_COLUMNS),
        series_rules(params),
    )
    of_exams = validation.check(
        "dxa", exams, "row", dxa_batch_rules(params, len(exams)), dxa_rules(params), every_column=True
    )
    good_series = series[~series["series"].isin(of_series.refused_keys)]
    good_exams = exams[~exams["row"].astype(str).isin(of_exams.refused_keys)]
    pairing: Pairing = pair(good_series, good_exams, params)
    quarantine = [
        *quarantine_series(of_series.rows, series),
        *quarantine_exams(of_exams.rows, exams),
        *quarantine_left(pairing, series, exams),
    ]
    pairs = with_partner(pairing.pairs)
    of_pairs = TableFindings((), ())
    if not pairs.empty:
        of_pairs = validation.check(
            "pairing", pairs, "patient", pairing_batch_rules(params), pairing_rules(params)
        )
        quarantine += quarantine_pairs(of_pairs.rows, pairs, series, exams)
    accepted = pairs[~pairs["patient"].isin(of_pairs.refused_keys)]
    of_batch, mix = TableFindings((), ()), MixVerdict(NO_RECORD, False)
    if not accepted.empty:
        last = last_before(before or (), batch_name(accepted["series"]), data_kind)
        of_batch = validation.check(
            "batch", accepted, "patient", batch_wide_rules(params, last), batch_rules(params)
        )
        quarantine += quarantine_pairs(of_batch.rows, pairs, series, exams)
        accepted = accepted[~accepted["patient"].isin(of_batch.refused_keys)]
        if before is not None:
            mix = compare_with_last(accepted["vendor"], last, params)
    findings = (of_series, of_exams, of_pairs, of_batch)
    warnings = [line for table in findings for line in table.batch_warnings]
    warnings += [_warning(finding) for table in findings for finding in table.rows if _is_warning(finding)]
    return _Judged(accepted, quarantine, tuple(warnings), pairing, mix)


def _is_warning(finding: Finding) -> bool:
    return finding.severity is Severity.WARNING


def _warning(finding: Finding) -> str:
    return f"{finding.table} {finding.key}: {finding.code}: {finding.found}"


def _write(
    out: Path,
    validation: Validation,
    summary: ValidationSummary,
    accepted: pd.DataFrame,
    quarantine: list[QuarantineRow],
    decisions: pd.DataFrame,
    intake_counts: IntakeCounts,
    params: ValidateParams,
) -> None:
    """Everything beside `out` first, then renamed in: a reader sees the old result or the new one."""
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
            choices=tuple(mixed_only(list(summary.decisions))),
            series_without_air=summary.series_without_air,
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


def _most_often(quarantine: list[QuarantineRow]) -> str:
    """The commonest code of a series and the next step, for the one line that ends the command."""
    codes = Counter(Code(row.code) for row in quarantine if row.table == "series")
    if not codes:
        return ""
    ((code, count),) = codes.most_common(1)
    return f", most often {code} ({count}): {MEANINGS[code].action}"
