"""One CT series as a row of the series table: everything validation may ask about it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from components.ingest_dicom.age import age_years, capped_age_years, dicom_date
from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.geometry import StackGeometry
from components.ingest_dicom.headers import HU_TYPES, Header
from components.ingest_dicom.image_class import Declared, image_class
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.statistics import HuStatistics
from components.ingest_dicom.vendor import kernel_class, vendor_name

Value = TypeVar("Value")


@dataclass(frozen=True)
class CtSeries:
    """One row of the series table. Text that is missing is "", a number that is missing NaN.

    Attributes
    ----------
    series, patient, study
        Keyed hashes; patient "" when PatientID is empty.
    acquisition_date, age_years
        ISO date under the patient's shift (`Pseudonymiser.date_shift_days`); age, 90 from 90 on.
    vendor
        "GE", "Siemens", "Philips", "Canon" (Toshiba included), another name in upper case, or "".
    kernel_class
        "soft", "sharp" or "unknown".
    slice_spacing_mm
        Median distance of neighbouring slices along the slice normal, from ImagePositionPatient.
    declared_spacing_mm
        |SpacingBetweenSlices|; brought to the normal where it fits the way along a tilted stack better.
    spacing_deviation_mm
        Largest deviation of a slice step from a whole number of `slice_spacing_mm`.
    slice_count, file_count
        Distinct slice positions; files in the series (a multi-frame file holds many slices).
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
        An agent is declared (`declared_contrast`); the words found in descriptions ("" for none); estimated HU of the
        aortic lumen (NaN when no lumen was found).
    image_class, image_class_basis
        original, localizer, secondary_capture, virtual_non_contrast, monoenergetic, tin_filtered,
        photon_counting, phantom, derived or reformat; and whether "header" or "words" (descriptions) say so.
    has_rescale
        Every slice has slope and intercept, and RescaleType names no other unit than HU.
    lossy
        Some slice was, or by its transfer syntax may have been, compressed with loss.
    duplicate_uid_count
        Files whose SOPInstanceUID a file before them carries too, with other content.
    mixed_count
        Slices of another patient, study, frame of reference, tube voltage or kernel than most of the series.
    series_uid_missing
        SeriesInstanceUID is empty; the files of the folder were taken as one series.
    truncated_count, unreadable_count
        Files that end before their pixel data do; files whose pixels were read and could not be decoded.
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
    lossy: bool
    duplicate_uid_count: int
    mixed_count: int
    series_uid_missing: bool
    truncated_count: int
    unreadable_count: int
    read_codes: str
    acquisition_date: str
    sex: str
    age_years: float
    hu_air_peak: float
    hu_fat_peak: float
    hu_soft_tissue_peak: float
    hu_p01: float
    hu_p05: float
    hu_p50: float
    hu_p95: float
    hu_p99: float
    has_levels: bool


def describe_series(
    series: SeriesFiles,
    pseudonymiser: Pseudonymiser,
    geometry: StackGeometry,
    statistics: HuStatistics,
    *,
    contrast_image_hu: float,
    unreadable_count: int,
    read_codes: str,
    has_levels: bool,
) -> CtSeries:
    """The row of a series from its headers and from what was measured on its pixels.

    A fact that should be one for the whole series is taken from most of its slices, whatever their files are
    called; how many contradict in what must be one is `mixed_count`. What speaks against a series (contrast, another
    kind of image) counts in whichever slice it stands.
    """
    files, slices = series.files, series.slices
    majority, mixed_count = _majority(slices)
    descriptions = sorted(set(map(_descriptions, files)))
    vendor = vendor_name(majority.manufacturer)
    kind, basis = _image_class(slices)
    spacing = majority.pixel_spacing_mm
    acquired = dicom_date(majority.acquisition_date) or dicom_date(majority.study_date)
    if acquired is not None:
        acquired = pseudonymiser.shifted(acquired, majority.patient_id, majority.study_instance_uid)
    return CtSeries(
        series=pseudonymiser.uid(series.identity),
        patient=pseudonymiser.patient(majority.patient_id),
        study=pseudonymiser.uid(majority.study_instance_uid),
        vendor=vendor,
        model=majority.model,
        modality=_odd_one(files, lambda header: header.modality, usual="CT"),
        kvp=_most(slices, lambda header: header.kvp),
        kernel=majority.kernel,
        kernel_class=kernel_class(vendor, majority.kernel),
        slice_thickness_mm=_most(slices, lambda header: header.slice_thickness_mm),
        slice_spacing_mm=geometry.slice_spacing_mm,
        declared_spacing_mm=_declared_spacing_mm(slices, geometry),
        spacing_deviation_mm=geometry.deviation_mm,
        pixel_spacing_mm=spacing[0] if spacing else math.nan,
        rows=majority.rows,
        columns=majority.columns,
        slice_count=geometry.slice_count,
        file_count=len(files),
        gap_count=geometry.gap_count,
        duplicate_count=geometry.duplicate_count,
        tilt_deg=_tilt_deg(slices, geometry),
        orientation=f"{majority.patient_position} {geometry.plane}".strip() if geometry.placed else "",
        orientation_consistent=geometry.consistent,
        contrast_tag=any(header.contrast_agent for header in slices),
        contrast_words=contrast_words(*(text for texts in descriptions for text in texts)),
        contrast_image_hu=contrast_image_hu,
        image_class=kind,
        image_class_basis=basis,
        transfer_syntax=majority.transfer_syntax_uid,
        photometric=majority.photometric,
        has_rescale=all(
            math.isfinite(header.rescale_slope)
            and math.isfinite(header.rescale_intercept)
            and header.rescale_type in HU_TYPES
            for header in slices
        ),
        lossy=any(header.lossy for header in slices),
        duplicate_uid_count=_repeats([header.sop_instance_uid for header in files]),
        mixed_count=mixed_count,
        series_uid_missing=not series.series_instance_uid,
        truncated_count=sum(header.truncated for header in files),
        unreadable_count=unreadable_count,
        read_codes=read_codes,
        acquisition_date=acquired.isoformat() if acquired else "",
        sex=majority.sex if majority.sex in ("F", "M") else "",
        age_years=capped_age_years(age_years(majority.age_text, majority.birth_date, majority.study_date)),
        hu_air_peak=statistics.hu_air_peak,
        hu_fat_peak=statistics.hu_fat_peak,
        hu_soft_tissue_peak=statistics.hu_soft_tissue_peak,
        hu_p01=statistics.hu_p01,
        hu_p05=statistics.hu_p05,
        hu_p50=statistics.hu_p50,
        hu_p95=statistics.hu_p95,
        hu_p99=statistics.hu_p99,
        has_levels=has_levels,
    )


def _declared(header: Header) -> Declared:
    return Declared(
        bits_stored=header.bits_stored,
        photometric=header.photometric,
        filters=header.filters,
        model=header.model,
        body_part=header.body_part,
        quality_control=header.quality_control,
        multi_energy=header.multi_energy,
    )


def _descriptions(header: Header) -> tuple[str, str, str]:
    return header.study_description, header.series_description, header.protocol_name


def _image_class(slices: tuple[Header, ...]) -> tuple[str, str]:
    """Class and basis of the series: another than original as soon as one slice is; by the header before words."""
    declared = {(header.image_type, _descriptions(header), _declared(header)) for header in slices}
    found = {image_class(types, *texts, declared=more) for types, texts, more in declared}
    return min(found, key=lambda one: (one[0] == "original", one[1] == "words", one))


def _majority(slices: tuple[Header, ...]) -> tuple[Header, int]:
    """A header of what most slices declare; how many slices are another patient's, study's or acquisition's.

    A tube voltage or a kernel that a slice does not declare contradicts none.
    """

    def belongs(header: Header) -> tuple[str, str, str]:
        return header.patient_id, header.study_instance_uid, header.frame_of_reference_uid

    usual = _most(slices, belongs)
    own = tuple(header for header in slices if belongs(header) == usual)
    kvp = _most(tuple(header for header in own if math.isfinite(header.kvp)) or own, lambda one: one.kvp)
    kernel = _most(tuple(header for header in own if header.kernel) or own, lambda one: one.kernel)
    whole = tuple(header for header in own if header.kvp == kvp or math.isnan(header.kvp))
    whole = tuple(header for header in whole if header.kernel in (kernel, ""))
    facts = _most(whole or own, _facts)
    return next(header for header in whole or own if _facts(header) == facts), len(slices) - len(whole)


def _facts(header: Header) -> tuple[object, ...]:
    """What is taken from one header for all."""
    return (
        header.kernel, header.manufacturer, header.model, header.rows, header.columns, header.pixel_spacing_mm,
        header.patient_position, header.transfer_syntax_uid, header.photometric, header.sex, header.age_text,
        header.birth_date, header.study_date, header.acquisition_date,
    )  # fmt: skip


def _most(slices: tuple[Header, ...], fact: Callable[[Header], Value]) -> Value:
    """The value most slices have, of equally many the first by its text. All NaNs are one value."""
    values = {str(value): value for value in map(fact, slices)}
    counts = Counter(str(fact(header)) for header in slices)
    return values[min(counts, key=lambda text: (-counts[text], text))]


def _odd_one(files: tuple[Header, ...], fact: Callable[[Header], str], *, usual: str) -> str:
    """The first value that is not the usual one, if any file has such."""
    return next((value for header in files if (value := fact(header)) != usual), usual)


def _repeats(uids: list[str]) -> int:
    """How many non-empty values stood in the list before."""
    filled = [uid for uid in uids if uid]
    return len(filled) - len(set(filled))


def _declared_spacing_mm(slices: tuple[Header, ...], geometry: StackGeometry) -> float:
    """SpacingBetweenSlices along the normal, as the standard defines it (DICOM PS3.3 C.7.6.2.1).

    With a tilted gantry some makers (Philips) declare the way of the table instead, which is longer.
    """
    declared = abs(_most(slices, lambda header: header.spacing_between_slices_mm))
    if geometry.affine is None or not math.isfinite(geometry.slice_spacing_mm):
        return declared
    along_mm = float(np.linalg.norm(geometry.affine[:3, 0]))
    if abs(declared - along_mm) < abs(declared - geometry.slice_spacing_mm):
        return declared * geometry.slice_spacing_mm / along_mm
    return declared


def _tilt_deg(slices: tuple[Header, ...], geometry: StackGeometry) -> float:
    declared = [abs(header.gantry_tilt_deg) for header in slices if math.isfinite(header.gantry_tilt_deg)]
    known = [*declared, geometry.tilt_deg] if math.isfinite(geometry.tilt_deg) else declared
    return max(known, default=math.nan)
