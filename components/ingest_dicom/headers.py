"""What the header of one CT image says, and a file that is none: the few facts the project uses."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from models.refusal import Code

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
SEGMENTATION = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)  # binary or fractional; label map
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SECONDARY_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"

# RescaleType of Hounsfield units; CT images may leave it out, and converters write US, unspecified, for all
# (DICOM PS3.3 C.11.1.1.2). HU_MOD, MGML, Z_EFF, ... are other quantities.
HU_TYPES = ("", "HU", "US")

# what zlib and struct raise on a stream that breaks off
STREAM_ERRORS = (zlib.error, struct.error)


@dataclass(frozen=True, slots=True)
class Header:
    """What one CT image declares. Text that is missing is "", a number that is missing or malformed NaN.

    Attributes
    ----------
    contrast_agent
        See `declared_contrast.declared_agent`.
    multi_energy
        See `multi_energy.multi_energy`.
    lossy
        Declared or, by the transfer syntax, assumed to have been compressed with loss.
    frame
        Index of the frame in a multi-frame object; None for a single-frame image.
    frames
        Of a multi-frame object: one header a frame, in frame order; its own facts are the first frame's.
    """

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
    pixel_spacing_mm: tuple[float, ...] | None
    rows: int
    columns: int
    gantry_tilt_deg: float
    orientation: tuple[float, ...] | None
    position_mm: tuple[float, ...] | None
    rescale_slope: float
    rescale_intercept: float
    rescale_type: str
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
    lossy: bool
    truncated: bool
    bits_stored: int = 0
    filters: str = ""
    body_part: str = ""
    quality_control: str = ""
    multi_energy: tuple[str, ...] = ()
    frame: int | None = None
    frames: tuple[Header, ...] = ()

    def __reduce__(self) -> tuple[type[Header], tuple[Any, ...]]:
        """For pickle, which a dataclass with slots keeps waiting: thousands of headers go from process to process."""
        return Header, _values_of(self)


_values_of = attrgetter(*(field.name for field in fields(Header)))


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is not part of a CT series, with the reason.

    Attributes
    ----------
    code
        NOT_DICOM, FILE_TRUNCATED, FILE_UNREADABLE, NOT_CT, LOCALIZER, SECONDARY_CAPTURE, ...
    kind
        What it is: "segmentation", "localizer", or the name of its SOP class.
    found
        One line for people, without identifiers.
    referenced_series
        SeriesInstanceUIDs a segmentation or structure set refers to.
    referenced_frames
        FrameOfReferenceUIDs a structure set was drawn in.
    levels_named
        How many of L1-L4 its segments or ROIs name; None when it lists none.
    """

    path: Path
    code: Code
    kind: str
    found: str
    patient_id: str = ""
    series_instance_uid: str = ""
    referenced_series: tuple[str, ...] = ()
    referenced_frames: tuple[str, ...] = ()
    levels_named: int | None = None
