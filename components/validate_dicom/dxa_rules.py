"""What is expected of an exam in the DXA table. Limits come from `validate` in params.yaml."""

from __future__ import annotations

from scipy.stats import binom

from components.validate_dicom.checks import (
    Average,
    NoneOf,
    OnePerGroup,
    Present,
    RowsAtLeast,
    Unique,
    Within,
)
from components.validate_dicom.dxa_table import EMPTY, NOT_A_NUMBER, WRONG
from components.validate_dicom.nhanes_ranges import INVALID, SCANNED, middle_range, plausible_range
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import BatchRule, Rule, Severity
from models.dxa_columns import BMD_COLUMNS, INVALID_COLUMNS, NUMBER_COLUMNS, TBS_COLUMNS
from models.refusal import Code


def dxa_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Rules over the frame of `read_dxa_table`."""
    return (
        Rule(
            Code.PATIENT_ID_MISSING,
            Present("patient"),
            "Without patient_id the exam cannot be matched to its CT.",
        ),
        *_entry_rules(),
        *_number_rules(),
        *_range_rules(params),
        Rule(
            Code.DXA_DUPLICATED,
            Unique(("patient", "exam_date")),
            "Two exams of one day: which one counts is not for a program to say.",
        ),
        Rule(
            Code.PATIENT_DOUBLED,
            OnePerGroup("scan_values", "patient"),
            "All levels' values alike under two patient ids: one person could be in two splits.",
            severity=Severity.WARNING,
        ),
        *_population_rules(),
    )


def dxa_batch_rules(params: ValidateParams | None = None, exams: int = 0) -> tuple[BatchRule, ...]:
    """What is expected of the DXA table as a whole (its columns are checked while reading).

    Parameters
    ----------
    exams
        Rows of the table. From `params.batch.pairs_min` on they are also compared with the population.
    """
    rows = BatchRule(RowsAtLeast(1), "An empty table satisfies every rule about rows.")
    if params is None or exams < params.batch.pairs_min:
        return (rows,)
    low, high = middle_range("bmd_l1_l4_g_cm2")
    middle = BatchRule(
        Average("bmd_l1_l4_g_cm2_hologic", "median", low, high, "g/cm2"),
        "Half of the patients beyond a population's SD (NHANES 2017-2020): a unit, a column or a device's scale is "
        "wrong.",
        Severity.WARNING,
    )
    tbs = BatchRule(
        Average("tbs_l1_l4", "median", *middle_range("tbs_l1_l4")),
        "Half of the patients beyond a population's SD (NHANES 2007-2008): a column or the TBS software is another.",
        Severity.WARNING,
    )
    flags = tuple(
        BatchRule(
            # as many as one batch in a thousand has by chance
            Average(column, "mean", high=round(float(binom.ppf(0.999, exams, count / SCANNED)) / exams, 3)),
            f"More levels flagged invalid than in a population ({count / SCANNED:.0%} in NHANES 2017-2020): flags "
            "may be inverted.",
            Severity.WARNING,
        )
        for column, count in INVALID.items()
    )
    return (rows, middle, tbs, *flags)


def _population_rules() -> tuple[Rule, ...]:
    bmd = tuple(
        Rule(
            Code.DXA_UNUSUAL,
            Within(f"{column}_hologic", plausible_range(column)[0], plausible_range(column)[1], "g/cm2"),
            "Fewer than 1 in 500 people of 50 years and older (NHANES 2017-2020, Hologic scale) lie beyond.",
            severity=Severity.WARNING,
        )
        for column in BMD_COLUMNS
    )
    tbs = Rule(
        Code.DXA_UNUSUAL,
        Within("tbs_l1_l4", *plausible_range("tbs_l1_l4")),
        "Fewer than 1 in 500 people of 50 years and older (NHANES 2007-2008) lie beyond.",
        severity=Severity.WARNING,
    )
    return (*bmd, tbs)


def _entry_rules() -> tuple[Rule, ...]:
    return (
        Rule(
            Code.DXA_DATE_INVALID,
            NoneOf("exam_date_state", (EMPTY, WRONG), "YYYY-MM-DD"),
            "Bone changes with time: an exam is paired by its date, written YYYY-MM-DD.",
        ),
        Rule(
            Code.DXA_DEVICE_UNKNOWN,
            NoneOf("device_state", (EMPTY, WRONG), "Hologic or GE Lunar"),
            "Hologic and Lunar differ by about 10 %; a scale is never guessed.",
        ),
        Rule(
            Code.DXA_VALUE_INVALID,
            NoneOf("sex_state", (WRONG,), "F or M"),
            "Reference values depend on sex, F or M.",
        ),
        *(
            Rule(
                Code.DXA_VALUE_INVALID,
                NoneOf(f"{column}_state", (WRONG,), "0 or 1"),
                "Whether a level may be measured is 0 or 1.",
            )
            for column in INVALID_COLUMNS
        ),
        *(
            Rule(
                Code.DXA_VALUE_MISSING,
                NoneOf(f"{column}_state", (EMPTY,), "0 or 1"),
                "A level without its flag might hold a fracture or cement.",
            )
            for column in INVALID_COLUMNS
        ),
    )


def _number_rules() -> tuple[Rule, ...]:
    not_numeric = tuple(
        Rule(
            Code.DXA_VALUE_NOT_NUMERIC,
            NoneOf(f"{column}_state", (NOT_A_NUMBER,), "a number with a decimal point"),
            "A label must be a number with a decimal point.",
        )
        for column in NUMBER_COLUMNS
    )
    missing = tuple(
        Rule(
            Code.DXA_VALUE_MISSING,
            NoneOf(f"{column}_state", (EMPTY,), "a number, or the level flagged invalid"),
            "A label is never filled in; a level not measured is flagged invalid.",
        )
        for column in (*BMD_COLUMNS, *TBS_COLUMNS)
    )
    return (*not_numeric, *missing)


def _range_rules(params: ValidateParams) -> tuple[Rule, ...]:
    bmd = tuple(
        Rule(
            Code.DXA_OUT_OF_RANGE,
            Within(column, params.bmd_min_g_cm2, params.bmd_max_g_cm2, "g/cm2"),
            "Outside what a spine can have: a unit, a column or a digit is wrong.",
        )
        for column in BMD_COLUMNS
    )
    tbs = tuple(
        Rule(
            Code.DXA_OUT_OF_RANGE,
            Within(column, params.tbs_min, params.tbs_max),
            "Outside what TBS can be: a column or a digit is wrong.",
        )
        for column in TBS_COLUMNS
    )
    return (
        *bmd,
        *tbs,
        Rule(
            Code.DXA_OUT_OF_RANGE,
            Within("age_years", 0, params.age_max_years, "years"),
            "No patient has this age.",
        ),
        Rule(Code.DXA_OUT_OF_RANGE, Within("height_cm", 80, 250, "cm"), "Height must be in centimetres."),
        Rule(Code.DXA_OUT_OF_RANGE, Within("weight_kg", 20, 400, "kg"), "Weight must be in kilograms."),
        Rule(
            Code.AGE_UNDER_30,
            Within("age_years", low=params.age_min_years, unit="years"),
            "Peak bone mass is not reached; the references begin at this age.",
        ),
    )
