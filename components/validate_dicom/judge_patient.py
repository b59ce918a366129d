"""One CT series and its DXA exam, judged in memory by the rules of the training suites."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series import CtSeries
from components.validate_dicom.dxa_rules import dxa_rules
from components.validate_dicom.dxa_table import exam_frame, exam_row
from components.validate_dicom.labels import accepted_frame
from components.validate_dicom.pairing import pair
from components.validate_dicom.pairing_rules import pairing_rules, with_partner
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Rule, Severity
from components.validate_dicom.series_frame import rule_frame
from components.validate_dicom.series_rules import series_rules
from models.refusal import Code, Refusal, RefusedError

FIRST_ROW = 2  # of dxa.csv: the header is 1


def judge_patient(
    series: CtSeries, exam: dict[str, str], pseudonymiser: Pseudonymiser, params: ValidateParams
) -> dict[str, object]:
    """The patient's row of the accepted table (columns of `tables.read_accepted`).

    Same rules as the step applies through Great Expectations, without its pages; what holds for tables as a
    whole (numbers of rows, two exams of one day) does not arise.

    Parameters
    ----------
    exam
        A row of dxa.csv as text.

    Raises
    ------
    RefusedError
        With every critical finding.
    """
    table = pd.DataFrame([{name: getattr(series, name) for name in series.__dataclass_fields__}])
    exams = exam_frame([exam_row(FIRST_ROW, exam, pseudonymiser)])
    _hold(series_rules(params), rule_frame(table))
    _hold(dxa_rules(params), exams)
    pairing = pair(table, exams, params)
    if pairing.series_excluded:
        raise RefusedError(
            *(Refusal(Code.SERIES_EXCLUDED, found) for found in pairing.series_excluded.values())
        )
    pairs = with_partner(pairing.pairs)
    _hold(pairing_rules(params), pairs)
    (row,) = accepted_frame(pairs).to_dict("records")
    return {str(name): value for name, value in row.items()}


def _hold(rules: Iterable[Rule], frame: pd.DataFrame) -> None:
    refusals: dict[str, Refusal] = {}
    for rule in rules:
        if rule.severity is Severity.CRITICAL and bool(rule.failing(frame).iloc[0]):
            refusals.setdefault(rule.code, Refusal(rule.code, rule.found(frame.iloc[0])))
    if refusals:
        raise RefusedError(*refusals.values())
