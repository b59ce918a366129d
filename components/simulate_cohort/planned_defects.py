"""Which patients carry which planted defect: drawn from the seed alone, at most one per patient."""

from __future__ import annotations

from components.simulate_cohort.seeding import stream
from models.refusal import Code

# defect -> the code that validation must give
DEFECTS: dict[str, Code] = {
    "slice_missing": Code.SLICE_MISSING,
    "spacing_wrong": Code.SPACING_WRONG,
    "gantry_tilt": Code.GANTRY_TILT,
    "modality_conflict": Code.MODALITY_CONFLICT,
    "duplicate_uid": Code.DUPLICATE_UID,
    "contrast_by_tag": Code.CONTRAST_BY_TAG,
    "contrast_by_words": Code.CONTRAST_BY_WORDS,
    "contrast_by_image": Code.CONTRAST_BY_IMAGE,
    "virtual_non_contrast": Code.VIRTUAL_NON_CONTRAST,
    "monoenergetic": Code.MONOENERGETIC,
    "file_truncated": Code.FILE_TRUNCATED,
    "vendor_unknown": Code.VENDOR_UNKNOWN,
    "dxa_missing": Code.DXA_MISSING,
    "dxa_not_numeric": Code.DXA_VALUE_NOT_NUMERIC,
    "dxa_device_unknown": Code.DXA_DEVICE_UNKNOWN,
    "dxa_date_far": Code.DXA_DATE_FAR,
    "ct_missing": Code.CT_MISSING,
    # these add a file or a series beside a sound one; the sound one stays usable
    "localizer": Code.LOCALIZER,
    "not_dicom": Code.NOT_DICOM,
}
CONTRAST_DEFECTS = frozenset({"contrast_by_tag", "contrast_by_words", "contrast_by_image"})
HARMLESS = frozenset({"localizer", "not_dicom"})


def plan_defects(patients: int, seed: int, shares: dict[str, float]) -> dict[int, str]:
    """Defect per patient index; counts are shares of `patients` rounded half up."""
    order = stream(seed, "defect-plan").permutation(patients).tolist()
    plan: dict[int, str] = {}
    for name in DEFECTS:
        for _ in range(int(patients * shares.get(name, 0.0) + 0.5)):
            if order:
                plan[order.pop()] = name
    return plan
