"""What is expected of a series' HU: soft tissue, fat and air where they must be, and something darker than water."""

from __future__ import annotations

from components.validate_dicom.checks import OneOf, Within
from components.validate_dicom.geometry_rules import NOT_A_STACK
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Rule
from models.refusal import Code


def hu_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Rules over the peaks of the HU histogram (`components.ingest_dicom.statistics`).

    A narrow field of view need not hold air, nor fat in an amount: that is recorded as missing, and no reproach.
    """
    return (
        Rule(
            Code.HU_IMPLAUSIBLE,
            Within(
                "hu_soft_tissue_peak", params.soft_tissue_peak_min_hu, params.soft_tissue_peak_max_hu, "HU"
            ),
            "Muscle and organs lie near 50 HU on every calibrated scanner; elsewhere the values are not HU.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.HU_IMPLAUSIBLE,
            Within("hu_fat_peak", params.fat_peak_min_hu, params.fat_peak_max_hu, "HU"),
            "Fat lies near -100 HU; elsewhere the scale is shifted, or stretched as by a doubled slope.",
            unless=NOT_A_STACK,
            optional=True,
        ),
        Rule(
            Code.HU_IMPLAUSIBLE,
            Within("hu_air_peak", None, params.air_peak_max_hu, "HU"),
            "Air lies at -1000 HU by definition: near 0, stored values were taken for HU.",
            unless=NOT_A_STACK,
            optional=True,
        ),
        Rule(
            Code.SECONDARY_CAPTURE,
            OneOf("darker_than_water", (True,)),
            "Every patient has fat near -100 HU: where nothing is darker than water, grey levels were stored.",
            unless=NOT_A_STACK,
            optional=True,
        ),
    )
