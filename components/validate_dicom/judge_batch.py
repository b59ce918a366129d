"""The whole batch through every suite: series, exams, their pairs, then the pairs that are left as one batch."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from components.validate_dicom.accepted_batches import AcceptedBatch, batch_name, last_before
from components.validate_dicom.batch_rules import (
    NO_RECORD,
    MixVerdict,
    batch_rules,
    batch_wide_rules,
    compare_with_last,
)
from components.validate_dicom.dxa_rules import dxa_batch_rules, dxa_rules
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
from components.validate_dicom.tables import QuarantineRow
from components.validate_dicom.validation import Finding, TableFindings, Validation


@dataclass(frozen=True)
class JudgedBatch:
    """What is left of a batch, and where the rest went.

    Attributes
    ----------
    accepted
        Pairs of a series and an exam.
    warnings
        Lines that held nothing back.
    """

    accepted: pd.DataFrame
    quarantine: list[QuarantineRow]
    warnings: tuple[str, ...]
    pairing: Pairing
    mix: MixVerdict


def judge_batch(
    validation: Validation,
    series: pd.DataFrame,
    exams: pd.DataFrame,
    params: ValidateParams,
    before: tuple[AcceptedBatch, ...] | None,
    data_kind: str,
) -> JudgedBatch:
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
    return JudgedBatch(accepted, quarantine, tuple(warnings), pairing, mix)


def _is_warning(finding: Finding) -> bool:
    return finding.severity is Severity.WARNING


def _warning(finding: Finding) -> str:
    return f"{finding.table} {finding.key}: {finding.code}: {finding.found}"
