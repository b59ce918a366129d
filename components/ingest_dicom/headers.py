"""The header of one DICOM file: the few facts the project uses, parsed once and tolerantly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.refusal import Code


@dataclass(frozen=True, slots=True)
class Header:
    """What one CT image declares. Text that is missing is "", a number that is missing or malformed NaN."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str
    patient_id: str
    modality: str
    transfer_syntax_uid: str
    image_type: tuple[str, ...]
    manufacturer: str
    model: str
    kvp: float
    kernel: str
    slice_thickness_mm: float
    spacing_between_slices_mm: float
    pixel_spacing_mm: tuple[float, float] | None
    rows: int
    columns: int
    gantry_tilt_deg: float
    orientation: tuple[float, ...] | None
    position_mm: tuple[float, ...] | None
    rescale_slope: float
    rescale_intercept: float
    photometric: str
    patient_position: str
    study_description: str
    series_description: str
    protocol_name: str
    contrast_agent: str
    sex: str
    age_text: str
    birth_date: str
    study_date: str
    acquisition_date: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is not part of a CT series, with the reason.

    Attributes
    ----------
    code
        NOT_DICOM, FILE_TRUNCATED, NOT_CT, LOCALIZER, SECONDARY_CAPTURE, ...
    kind
        What it is: "segmentation", "localizer", "text", the name of its SOP class, ...
    found
        One line for people, without identifiers.
    referenced_series
        SeriesInstanceUIDs a segmentation refers to.
    """

    path: Path
    code: Code
    kind: str
    found: str
    patient_id: str = ""
    series_instance_uid: str = ""
    referenced_series: tuple[str, ...] = ()
