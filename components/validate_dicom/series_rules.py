"""What is expected of a CT series: the one list behind the training suite and the check of a single study.

To change a limit edit `validate` in params.yaml; to change, add or remove an expectation edit it here, or in
`geometry_rules` where it is about orientation, spacing, tilt or length of the stack.
"""

from __future__ import annotations

from functools import lru_cache

from components.validate_dicom.checks import (
    HasColumns,
    HoldsOneOf,
    LacksWord,
    NoneOf,
    OneOf,
    OnePerGroup,
    Present,
    RowsAtLeast,
    Within,
)
from components.validate_dicom.geometry_rules import NOT_A_STACK, geometry_rules
from components.validate_dicom.hu_rules import hu_rules
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import BatchRule, Rule, Severity
from models.refusal import MEANINGS, Code

# Text columns where "" is an answer (nothing found), not an absence.
ANSWERED_BY_EMPTY_TEXT = ("contrast_words", "read_codes", "read_codes_other")

# Codes that the reader refuses a stack with (`read_codes`); any other stands in `read_codes_other`.
READER_CODES = (
    Code.RESCALE_MISSING,
    Code.ORIENTATION_MISSING,
    Code.GEOMETRY_INCONSISTENT,
    Code.SLICE_MISSING,
    Code.SLICE_DUPLICATED,
    Code.TOO_FEW_SLICES,
    Code.FILE_TRUNCATED,
    Code.PIXELS_UNREADABLE,
    Code.SIZE_IMPLAUSIBLE,
)


@lru_cache(maxsize=8)
def series_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Rules over the series table (columns of `components.ingest_dicom.series.CtSeries` and `coverage_mm`)."""
    return (
        *_identity_rules(params),
        *_image_kind_rules(),
        *_technique_rules(params),
        *geometry_rules(params),
        *_contrast_rules(params),
        *_content_rules(params),
        *_reader_rules(),
    )


def _identity_rules(params: ValidateParams) -> tuple[Rule, ...]:
    return (
        Rule(
            Code.PATIENT_ID_MISSING,
            Present("patient"),
            "Without PatientID the CT cannot be matched to its DXA exam.",
            study=False,
        ),
        Rule(
            Code.SERIES_UID_MISSING,
            OneOf("series_uid_missing", (False,)),
            "Without SeriesInstanceUID nobody can say which slices belong together.",
        ),
        Rule(
            Code.DUPLICATE_UID,
            Within("duplicate_uid_count", high=0),
            "Two different images under one SOPInstanceUID: which one belongs to the patient is unknown.",
        ),
        Rule(
            Code.MIXED_SERIES,
            Within("mixed_count", high=0),
            "Slices of two patients or studies in one stack would measure neither.",
        ),
        Rule(
            Code.PATIENT_DOUBLED,
            OnePerGroup("study", "patient"),
            "One study under two patient ids: one person could be in two splits, or one of the two is another's.",
            study=False,
        ),
        Rule(
            Code.AGE_UNDER_30,
            Within("age_years", low=params.age_min_years, unit="years"),
            "Peak bone mass is not reached; the references and the training data begin at this age.",
            optional=True,
        ),
    )


def _image_kind_rules() -> tuple[Rule, ...]:
    def kind(code: Code, classes: tuple[str, ...], reason: str) -> Rule:
        return Rule(
            code,
            NoneOf("image_class", classes, "an original image"),
            reason,
            basis_column="image_class_basis",
        )

    return (
        Rule(
            Code.MODALITY_CONFLICT,
            OneOf("modality", ("CT",)),
            "Only CT numbers are Hounsfield units; a header that contradicts itself is not trusted.",
        ),
        kind(Code.LOCALIZER, ("localizer",), "A scout is a projection: no Hounsfield units of bone."),
        kind(
            Code.SECONDARY_CAPTURE,
            ("secondary_capture",),
            "A screen capture holds grey levels, no Hounsfield units.",
        ),
        kind(
            Code.DERIVED_IMAGE,
            ("derived", "reformat"),
            "Maps, projections and reformats average or recode Hounsfield units.",
        ),
        kind(
            Code.VIRTUAL_NON_CONTRAST,
            ("virtual_non_contrast",),
            "Removing iodine removes calcium with it: bone density would be underestimated.",
        ),
        kind(
            Code.MONOENERGETIC,
            ("monoenergetic",),
            "Hounsfield units of bone follow the chosen keV, so density would follow it as well.",
        ),
        kind(
            Code.TIN_FILTERED,
            ("tin_filtered",),
            "Tin hardens the beam: at the same tube voltage bone has fewer Hounsfield units.",
        ),
        kind(
            Code.PHOTON_COUNTING,
            ("photon_counting",),
            "Another detector: energy weighting changes bone HU, and sharpness and noise change texture.",
        ),
        kind(Code.PHANTOM, ("phantom",), "A test object has no bone mineral density of a patient."),
    )


def _technique_rules(params: ValidateParams) -> tuple[Rule, ...]:
    return (
        Rule(
            Code.KVP_MISSING,
            Present("kvp"),
            "Trabecular HU change by several percent per 20 kV; the tube voltage must be known.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.KVP_OUT_OF_RANGE,
            Within("kvp", params.kvp_min, params.kvp_max, "kV"),
            "Outside the tube voltages that the model has seen.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.VENDOR_UNKNOWN,
            Present("vendor"),
            "Calibration and kernels are the vendor's; drift is watched by it.",
        ),
        Rule(
            Code.VENDOR_UNKNOWN,
            HoldsOneOf("vendor", params.vendors_known),
            "A name that no known vendor goes by is more likely a damaged header.",
        ),
        Rule(
            Code.VENDOR_UNVALIDATED,
            OneOf("vendor", tuple(params.vendors_validated)),
            "Accuracy on this vendor's scanners was never measured.",
        ),
        Rule(
            Code.KERNEL_UNVALIDATED,
            OneOf("kernel_class", ("soft", "sharp")),
            "A kernel of unknown sharpness: noise and texture may lie outside of what the model was validated on.",
            severity=Severity.WARNING,
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.THICKNESS_UNVALIDATED,
            Within(
                "slice_thickness_mm",
                params.thickness_validated_min_mm,
                params.thickness_validated_max_mm,
                "mm",
            ),
            "Thinner slices are noisier and thicker ones blur the endplates more than any the model has seen.",
            severity=Severity.WARNING,
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.RESCALE_MISSING,
            OneOf("has_rescale", (True,)),
            "Without slope and intercept stored values are no Hounsfield units.",
            unless=NOT_A_STACK,
        ),
        Rule(
            Code.LOSSY_COMPRESSION,
            OneOf("lossy", (False,)),
            "Lossy compression takes fine texture first, which is what the trabecular bone score is made of.",
            unless=NOT_A_STACK,
        ),
    )


def _contrast_rules(params: ValidateParams) -> tuple[Rule, ...]:
    return (
        Rule(
            Code.CONTRAST_BY_TAG,
            OneOf("contrast_tag", (False,)),
            "Iodine raises trabecular HU by 10 to 30: bone looks denser than it is.",
        ),
        Rule(
            Code.CONTRAST_BY_WORDS,
            OneOf("contrast_words", ("",)),
            "Many sites write contrast into the description only.",
        ),
        Rule(
            Code.CONTRAST_BY_IMAGE,
            Within("contrast_image_hu", high=params.contrast_aorta_hu_max, unit="HU"),
            "Blood this bright is enhanced, whatever the header says.",
            unless=NOT_A_STACK,
        ),
    )


def _content_rules(params: ValidateParams) -> tuple[Rule, ...]:
    return (
        Rule(
            Code.FILE_TRUNCATED,
            Within("truncated_count", high=0),
            "A file that ends early shows part of a slice.",
        ),
        Rule(
            Code.PIXELS_UNREADABLE,
            Within("unreadable_count", high=0),
            "Slices that cannot be decoded are missing.",
        ),
        *hu_rules(params),
        Rule(
            Code.LEVELS_MISSING,
            OneOf("has_levels", (True,)),
            "Which vertebra is L1 is never guessed.",
            unless=NOT_A_STACK,
        ),
    )


def _reader_rules() -> tuple[Rule, ...]:
    by_code = tuple(
        Rule(
            code,
            LacksWord("read_codes", code.value),
            f"The reader cannot use the stack: {MEANINGS[code].meaning}.",
            unless=NOT_A_STACK,
        )
        for code in READER_CODES
    )
    return (
        *by_code,
        Rule(
            Code.PIXELS_UNREADABLE,
            OneOf("read_codes_other", ("",)),
            "The reader cannot use the stack, for a reason no other rule names.",
            unless=NOT_A_STACK,
        ),
    )


def series_batch_rules(params: ValidateParams, columns: tuple[str, ...]) -> tuple[BatchRule, ...]:
    """What is expected of the series table as a whole."""
    return (
        BatchRule(HasColumns(columns), "A column that is missing cannot be checked."),
        BatchRule(RowsAtLeast(1), "An empty table satisfies every rule about rows."),
        *(
            BatchRule(
                RowsAtLeast(params.series_per_vendor_min, "vendor", vendor),
                f"Too few series of {vendor} to say anything about its scanners.",
                Severity.WARNING,
            )
            for vendor in params.vendors_validated
        ),
    )
