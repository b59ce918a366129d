"""The decision table: every series of every patient, taken or left, with its way through every rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from components.validate_dicom.pairing import Pairing
from components.validate_dicom.series_choice import EXCLUDE, KEPT, LEFT, PREFER, TIE
from components.validate_dicom.tables import QuarantineRow
from models.refusal import MEANINGS, Code

TAKEN = "taken"
SUITE, OBJECT, PAIRING = "suite", "object", "pairing"  # the stages beside exclude, prefer and tie
CT_SERIES = "CT series"
_CHOICE_CODES = (Code.SERIES_NOT_CHOSEN, Code.SERIES_EXCLUDED)


@dataclass(frozen=True)
class DecisionRow:
    """One series before one rule; rows of a series are in the order in which it met them.

    Attributes
    ----------
    patient, series
        Hashes; patient "" where the header names none.
    kind
        "CT series", or what else the series holds (secondary capture, dose report, ...).
    decision
        "taken" where the series is in accepted.parquet, else "left"; the same in all rows of a series.
    stage
        object (no CT), suite (refused by an expectation), exclude, prefer, tie, pairing (no usable exam).
    rule, column, value, best
        The rule's name, what it reads, what the series has, and the best of those still in question or what
        would be accepted.
    outcome
        kept, left, or not asked.
    code
        With which the series was left here; "" where it was kept or not asked.
    """

    patient: str
    series: str
    kind: str
    decision: str
    stage: str
    step: int
    rule: str
    column: str
    value: str
    best: str
    outcome: str
    code: str


def decision_frame(
    series: pd.DataFrame,
    others: pd.DataFrame,
    quarantine: Iterable[QuarantineRow],
    pairing: Pairing,
    taken: set[str],
) -> pd.DataFrame:
    """The table, one row per series and rule, with the columns of `DecisionRow`.

    Parameters
    ----------
    series, others
        Tables of the intake. Files of `others` that stand in no series of their own have no row here.
    taken
        Series of the accepted table.
    """
    patients = {
        str(name): str(patient or "")
        for name, patient in zip(series["series"], series["patient"], strict=True)
    }
    reasons: dict[str, list[QuarantineRow]] = {name: [] for name in patients}
    for row in quarantine:
        if row.series:
            reasons[row.series].append(row)
    steps: dict[str, list[DecisionRow]] = {name: [] for name in patients}
    for one in pairing.steps:
        code = "" if one.outcome != LEFT else _CHOICE_CODES[one.stage == EXCLUDE].value
        steps[one.series].append(
            DecisionRow(
                patients[one.series], one.series, CT_SERIES, LEFT, one.stage, one.step, one.rule, one.column,
                one.value, one.best, one.outcome, code,
            )
        )  # fmt: skip
    rows: list[DecisionRow] = _of_other_objects(others, set(patients))
    for name, patient in patients.items():
        own = [
            DecisionRow(
                patient, name, CT_SERIES, LEFT, SUITE if row.table == "series" else PAIRING, 0,
                MEANINGS[row.code].meaning, "", row.found, "", LEFT, row.code.value,
            )
            for row in reasons[name] if row.code not in _CHOICE_CODES
        ]  # fmt: skip
        passed = DecisionRow(
            patient, name, CT_SERIES, LEFT, SUITE, 0, "suite of series", "", "", "", KEPT, ""
        )
        suite = [row for row in own if row.stage == SUITE] or [passed]
        rows += [*suite, *steps[name], *(row for row in own if row.stage == PAIRING)]
    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(DecisionRow.__annotations__))
    frame.loc[frame["series"].isin(taken), "decision"] = TAKEN
    return (
        frame.sort_values(["patient", "series"], kind="stable")
        .reset_index(drop=True)
        .astype({"step": "int64"})
    )


def _of_other_objects(others: pd.DataFrame, ct_series: set[str]) -> list[DecisionRow]:
    """Series that hold no CT images at all, each code and kind once."""
    named = others[(others["series"] != "") & ~others["series"].isin(ct_series)]
    texts = named[["patient", "series", "kind", "code"]].astype(str)
    groups = Counter(texts.itertuples(index=False, name=None))
    return [
        DecisionRow(
            patient, name, kind, LEFT, OBJECT, 0, MEANINGS[Code(code)].meaning, "", f"{count} files", "", LEFT, code
        )
        for (patient, name, kind, code), count in sorted(groups.items())
    ]  # fmt: skip


def one_line_each(decisions: pd.DataFrame) -> list[dict[str, str]]:
    """For people: a line per series with what decided about it, patients together and the taken series first."""
    lines: list[dict[str, str]] = []
    for patient, of_patient in decisions.groupby("patient", sort=True):
        deciding = of_patient[(of_patient["stage"].isin([PREFER, TIE])) & (of_patient["outcome"] == LEFT)]
        for name, rows in of_patient.groupby("series", sort=True):
            decision = str(rows["decision"].iloc[0])
            if decision == TAKEN:
                held = rows[rows["rule"].isin(set(deciding["rule"])) & (rows["outcome"] == KEPT)]
                why = "; ".join(f"{one.rule}: {one.value}" for one in held.itertuples())
                why, codes = why or "the only usable series", ""
            else:
                against = rows[rows["code"] != ""].to_dict("records")
                why = "; ".join(dict.fromkeys(map(_why, against)))
                codes = " ".join(dict.fromkeys(str(row["code"]) for row in against))
            line = {"patient": str(patient), "series": str(name), "kind": str(rows["kind"].iloc[0])}
            lines.append(line | {"decision": decision, "codes": codes, "why": why})
    return sorted(lines, key=lambda line: (line["patient"], line["decision"] != TAKEN, line["series"]))


def _why(row: dict[Any, Any]) -> str:
    if row["stage"] in (SUITE, PAIRING, OBJECT):
        return f"{row['rule']} ({row['value']})"
    if row["stage"] == EXCLUDE:
        return f"{row['rule']}: {row['value']}; accepted: {row['best']}"
    return f"{row['rule']}: {row['value']}, against {row['best']}"


def mixed_only(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Lines of patients with more than one series: where there was something to choose."""
    counts = Counter(line["patient"] for line in lines)
    return [line for line in lines if counts[line["patient"]] > 1]
