"""What is expected of a CT series and its DXA exam together. Limits come from `validate` in params.yaml."""

from __future__ import annotations

import pandas as pd

from components.validate_dicom.checks import Present, RowsAtLeast, Same, Within
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import BatchRule, Rule, Severity, Unless
from models.refusal import Code

# Values of `partner`, so that what lacks one half is not told what follows from that.
BOTH, CT_ONLY, DXA_ONLY = "CT and DXA", "CT only", "DXA only"
_UNPAIRED = Unless("partner", (CT_ONLY, DXA_ONLY))


def pairing_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Rules over `Pairing.pairs` with the column `partner`."""
    return (
        Rule(Code.DXA_MISSING, Present("exam_date"), "Without an accepted exam a CT has no label."),
        Rule(Code.CT_MISSING, Present("series"), "Without an accepted CT series an exam has no image."),
        Rule(
            Code.DXA_DATE_INVALID,
            Present("days_apart"),
            "Without the date of the CT nobody knows how far apart the two are.",
            unless=_UNPAIRED,
        ),
        Rule(
            Code.DXA_DATE_FAR,
            Within("days_apart", high=params.dxa_days_max, unit="days"),
            "Bone changes by several percent a year under treatment; the exam must speak of the same bone.",
        ),
        Rule(
            Code.SEX_MISMATCH,
            Same("sex_ct", "sex_dxa"),
            "Two sexes under one patient id: one of the two records is another person's.",
        ),
        Rule(
            Code.LEVELS_TOO_FEW,
            Within("evaluable_levels", low=params.levels_min),
            "A mean over fewer levels is not a diagnosis (ISCD).",
            unless=_UNPAIRED,
        ),
    )


def with_partner(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs with the column `partner`: what each patient has."""
    has_ct, has_dxa = pairs["series"].notna(), pairs["exam_date"].notna()
    partner = has_ct.map({True: BOTH, False: DXA_ONLY}).astype(object).where(has_dxa, CT_ONLY)
    return pairs.assign(partner=partner)


def pairing_batch_rules(params: ValidateParams) -> tuple[BatchRule, ...]:
    """What is expected of the pairing table as a whole."""
    return (
        BatchRule(RowsAtLeast(1), "An empty table satisfies every rule about rows."),
        *(
            BatchRule(
                RowsAtLeast(params.series_per_vendor_min, "vendor", vendor),
                f"Too few pairs of {vendor} to say anything about its scanners.",
                Severity.WARNING,
            )
            for vendor in params.vendors_validated
        ),
    )
