"""A patient's age at the examination, from what the header says; never guessed."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

DAYS_PER_YEAR = 365.25
AGE = re.compile(r"^(\d{1,3})([DWMY])$")
YEARS_PER_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR}
AGE_MAX_YEARS = 120
# everybody of 90 and more is 90: the very old can be told by their age (45 CFR 164.514(b)(2)(i)(C))
AGE_CAP_YEARS = 90


def age_years(age_text: str, birth_date: str, study_date: str) -> float:
    """Years from PatientAge ("063Y", "018M", "003W", "010D"; DICOM PS3.5 6.2, AS), else from the dates.

    "000Y" is what some anonymisers write for an unknown age, and counts as missing. NaN when neither
    source gives an age of 0 to 120 years.
    """
    match = AGE.match(age_text.strip().upper())
    if match and int(match[1]) > 0:
        years = int(match[1]) * YEARS_PER_UNIT[match[2]]
        return years if years <= AGE_MAX_YEARS else math.nan
    born, studied = dicom_date(birth_date), dicom_date(study_date)
    if born is None or studied is None:
        return math.nan
    years = (studied - born).days / DAYS_PER_YEAR
    return years if 0 <= years <= AGE_MAX_YEARS else math.nan


def capped_age_years(years: float) -> float:
    """Age as tables and copies may carry it: 89.7 stays, 90 and above is 90, NaN is NaN."""
    return min(years, float(AGE_CAP_YEARS)) if not math.isnan(years) else years


def capped_age_text(age_text: str, birth_date: str, study_date: str) -> str:
    """PatientAge of a de-identified copy: as declared or from the dates, "090Y" from 90 on, "" when unknown."""
    years = age_years(age_text, birth_date, study_date)
    if math.isnan(years):
        return ""
    if years >= AGE_CAP_YEARS:
        return f"{AGE_CAP_YEARS:03d}Y"
    declared = age_text.strip().upper()
    if AGE.match(declared) and int(declared[:-1]) > 0:
        return declared
    return f"{int(years):03d}Y" if years >= 1 else ""  # "000Y" would be read as unknown


def dicom_date(text: str) -> date | None:
    """YYYYMMDD (or the old YYYY.MM.DD; DICOM PS3.5 6.2, DA) as a date; None when it is none."""
    digits = text.strip().replace(".", "").replace("-", "")
    if len(digits) != 8 or not digits.isdigit():
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None
