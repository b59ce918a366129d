"""One CT series as a row of the series table: everything validation may ask about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CtSeries:
    """One row of the series table. Text that is missing is "", a number that is missing NaN.

    Attributes
    ----------
    series, patient, study
        Keyed hashes; patient "" when PatientID is empty.
    vendor
        "GE", "Siemens", "Philips", "Canon" (Toshiba included), another name in upper case, or "".
    kernel_class
        "soft", "sharp" or "unknown".
    slice_spacing_mm
        Median distance of neighbouring slices along the slice normal, from ImagePositionPatient.
    declared_spacing_mm
        |SpacingBetweenSlices|, as declared.
    spacing_deviation_mm
        Largest deviation of a slice step from a whole number of `slice_spacing_mm`.
    slice_count, file_count
        Distinct slice positions; files in the series.
    gap_count, duplicate_count
        Slices missing between the first and the last; slices at a position already taken.
    tilt_deg
        Largest of |GantryDetectorTilt|, the angle of the slice normal to the nearest body axis, and the
        angle of the stack direction to the slice normal (shear). NaN without orientation and tilt tag.
    orientation
        "HFS axial" and the like (PatientPosition and plane); "" when orientation or position is missing.
    orientation_consistent
        All slices agree in orientation, matrix and pixel spacing.
    contrast_tag, contrast_words, contrast_image_hu
        ContrastBolusAgent is filled; the words found in descriptions ("" for none); estimated HU of the
        aortic lumen (NaN when no lumen was found).
    image_class, image_class_basis
        original, localizer, secondary_capture, virtual_non_contrast, monoenergetic, derived or reformat;
        and whether "header" (ImageType) or "words" (descriptions) say so.
    duplicate_uid_count
        Files whose SOPInstanceUID another, different file carries too.
    mixed_count
        Files of another patient, study or frame of reference than most of the series.
    truncated_count, unreadable_count
        Files that end early; files among those read for the statistics whose pixels cannot be decoded.
    read_codes
        Codes, blank-separated, with which the reader refuses the series as a volume; "" when it reads.
    """

    series: str
    patient: str
    study: str
    vendor: str
    model: str
    modality: str
    kvp: float
    kernel: str
    kernel_class: str
    slice_thickness_mm: float
    slice_spacing_mm: float
    declared_spacing_mm: float
    spacing_deviation_mm: float
    pixel_spacing_mm: float
    rows: int
    columns: int
    slice_count: int
    file_count: int
    gap_count: int
    duplicate_count: int
    tilt_deg: float
    orientation: str
    orientation_consistent: bool
    contrast_tag: bool
    contrast_words: str
    contrast_image_hu: float
    image_class: str
    image_class_basis: str
    transfer_syntax: str
    photometric: str
    has_rescale: bool
    duplicate_uid_count: int
    mixed_count: int
    truncated_count: int
    unreadable_count: int
    read_codes: str
    acquisition_date: str
    sex: str
    age_years: float
    hu_air_peak: float
    hu_soft_tissue_peak: float
    hu_p01: float
    hu_p05: float
    hu_p50: float
    hu_p95: float
    hu_p99: float
    has_levels: bool
