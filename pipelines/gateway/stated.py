"""What the caller states about a study, set against what its header declares."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import ParameterError
from models.refusal import Code, Refusal

AGE_TOLERANCE_YEARS = 1.0  # PatientAge is in whole years
KVP_TOLERANCE = 0.5


@dataclass(frozen=True)
class Stated:
    """Values given on the command line or by the calling system; None where nothing is stated.

    Raises
    ------
    ParameterError
        When a value is impossible whatever the study.
    """

    kvp: float | None = None
    age_years: float | None = None
    sex: str | None = None

    def __post_init__(self) -> None:
        if self.kvp is not None and not 40 <= self.kvp <= 160:
            raise ParameterError(f"--kvp {self.kvp:g}: no CT tube voltage; accepted: 40 to 160")
        if self.age_years is not None and not 0 <= self.age_years <= 120:
            raise ParameterError(f"--age {self.age_years:g}: not an age; accepted: 0 to 120 years")
        if self.sex is not None and self.sex not in ("F", "M"):
            raise ParameterError(f"--sex {self.sex}: accepted: F or M")


def reconcile(facts: dict[str, object], stated: Stated) -> tuple[dict[str, object], list[Refusal]]:
    """Fill in age and sex that the header lacks, and refuse what it contradicts.

    Parameters
    ----------
    facts
        A row of the series table; NaN or "" (or None) where nothing is declared.

    Returns
    -------
    The completed row, and STATED_CONTRADICTS_HEADER for every contradiction. A tube voltage is never filled in
    here: a DICOM series must declare it.
    """
    completed, refusals = dict(facts), []
    for name, value, tolerance in (
        ("age_years", stated.age_years, AGE_TOLERANCE_YEARS),
        ("kvp", stated.kvp, KVP_TOLERANCE),
    ):
        declared = _number(facts[name])
        if value is None:
            continue
        if math.isnan(declared):
            if name == "age_years":
                completed[name] = value
        elif abs(declared - value) > tolerance:
            refusals.append(_contradiction(name, f"{value:g}", f"{declared:g}"))
    if stated.sex is not None:
        declared_sex = str(facts["sex"] or "")
        if declared_sex not in ("F", "M"):
            completed["sex"] = stated.sex
        elif declared_sex != stated.sex:
            refusals.append(_contradiction("sex", stated.sex, declared_sex))
    return completed, refusals


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _contradiction(name: str, stated: str, declared: str) -> Refusal:
    return Refusal(Code.STATED_CONTRADICTS_HEADER, f"{name}: stated {stated}, the header says {declared}")
