"""What is expected of the geometry of a CT series; part of the list in `series_rules`."""

from __future__ import annotations

from components.validate_dicom.checks import Agrees, OneOf, Present, Within
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Rule, Severity, Unless
from models.refusal import Code

# Objects that are no stack of slices: their code says all, the rules about stacks say nothing more.
NOT_A_STACK = Unless("image_class", ("localizer", "secondary_capture"))


def geometry_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Orientation, gaps, spacing, tilt and length of a stack."""
    return (
        Rule(
            Code.ORIENTATION_MISSING,
            Present("orientation"),
            "Anterior and posterior, head and feet cannot be told apart.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.GEOMETRY_INCONSISTENT,
            OneOf("orientation_consistent", (True,)),
            "Slices of different orientation, matrix or pixel size do not make one volume.",
            unless=NOT_A_STACK,
        ),
        Rule(Code.SLICE_MISSING, Within("gap_count", high=0), "A gap shortens or fuses vertebral bodies."),
        Rule(
            Code.SLICE_DUPLICATED,
            Within("duplicate_count", high=0),
            "Two slices at one place: two reconstructions, or a stack doubled.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.SPACING_WRONG,
            Agrees("declared_spacing_mm", "slice_spacing_mm", params.spacing_tolerance_mm, "mm"),
            "Where declared spacing and positions disagree, the height of a vertebra is unknown.",
            unless=NOT_A_STACK,
            optional=True,
        ),
        Rule(
            Code.SPACING_TOO_LARGE,
            Within("slice_spacing_mm", high=params.spacing_max_mm, unit="mm"),
            "A vertebral body of 27 mm would be cut into fewer than five slices, endplates included.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.PIXEL_SPACING_OUT_OF_RANGE,
            Within("pixel_spacing_mm", params.pixel_spacing_min_mm, params.pixel_spacing_max_mm, "mm"),
            "The trabecular compartment would be too few pixels deep, or the field of view too small.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.PIXEL_SPACING_OUT_OF_RANGE,
            Within("pixel_spacing_mm", high=params.pixel_spacing_validated_max_mm, unit="mm"),
            "Coarser than anything the model was validated on; texture is lost first.",
            severity=Severity.WARNING,
            unless=NOT_A_STACK,
        ),
        *_tilt_rules(params),
        Rule(
            Code.TOO_FEW_SLICES,
            Within("slice_count", low=params.slices_min),
            "Too few slices to hold two lumbar vertebrae.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.TOO_FEW_SLICES,
            Within("coverage_mm", low=params.coverage_min_mm, unit="mm"),
            "Too short a stack to hold two lumbar vertebrae.",
            unless=NOT_A_STACK,
        ),
    )


def _tilt_rules(params: ValidateParams) -> tuple[Rule, ...]:
    def tilt(limit_deg: float, reason: str, severity: Severity) -> Rule:
        check = Within("tilt_deg", high=limit_deg, unit="degrees")
        return Rule(Code.GANTRY_TILT, check, reason, severity=severity, unless=NOT_A_STACK)

    if params.tilt_policy == "refuse":
        reason = "A tilted stack is sheared, and what the model makes of one was never measured."
        return (tilt(params.tilt_max_deg, reason, Severity.CRITICAL),)
    return (
        tilt(params.tilt_resampled_max_deg, "No gantry tilts so far: a damaged header.", Severity.CRITICAL),
        tilt(params.tilt_max_deg, "Crops are resampled from a sheared stack.", Severity.WARNING),
    )
