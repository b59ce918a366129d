"""The validate step: three tables judged, the accepted pairs recorded as a batch, and everything written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import perf_counter

import structlog

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series_table import read_series_table
from components.validate_dicom.accepted_batches import AcceptedBatch, batch_name, read_batches, record_batch
from components.validate_dicom.accounting import account
from components.validate_dicom.choice_table import decision_frame, one_line_each
from components.validate_dicom.dxa_table import read_dxa_table
from components.validate_dicom.intake_counts import read_intake_counts
from components.validate_dicom.judge_batch import judge_batch
from components.validate_dicom.labels import accepted_frame
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.result_folder import ValidationSummary, write_result
from components.validate_dicom.tables import QuarantineRow
from components.validate_dicom.validation import Validation
from models.errors import InputError
from models.refusal import MEANINGS, Code

log = structlog.get_logger()


class NothingAcceptedError(InputError):
    """Every series was refused; the summary page, which is written all the same, says why."""


class VendorMixError(InputError):
    """The vendors are not those of the last accepted batch, and `validate.batch.vendor_mix.action` is refuse."""


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
    judged = judge_batch(validation, series, exams, params, before, data_kind)
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
    write_result(out, validation, summary, accepted, judged.quarantine, decisions, intake_counts, params)
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


def _most_often(quarantine: list[QuarantineRow]) -> str:
    """The commonest code of a series and the next step, for the one line that ends the command."""
    codes = Counter(Code(row.code) for row in quarantine if row.table == "series")
    if not codes:
        return ""
    ((code, count),) = codes.most_common(1)
    return f", most often {code} ({count}): {MEANINGS[code].action}"
