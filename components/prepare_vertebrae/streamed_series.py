"""A simulated series as its DICOM files would read back, without writing them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.pydicom_header import header_of_data_set
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.volume import AIR_HU, Volume
from components.prepare_vertebrae.dicom_seg import stacked_mask
from components.prepare_vertebrae.spine_labels import BodyCollector, SpineLabels
from components.simulate_cohort.ct import CtImage
from components.simulate_cohort.dicom_series import SeriesHeader, decimal, series_datasets
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.scanner import Acquisition
from models.levels import LEVELS
from models.refusal import RefusedError

LEVEL_FILE = "level file"


@dataclass(frozen=True, eq=False)
class StreamedSeries:
    """What ingestion and the level reader would make of the patient's files.

    Attributes
    ----------
    files
        Headers of the slices, head first; their paths name nothing.
    labels
        L1-L4 as read from the DICOM SEG.
    """

    files: SeriesFiles
    volume: Volume
    labels: SpineLabels


class Declared(Protocol):
    """What a series' headers are made from (`ImagedPatient` and the like)."""

    @property
    def patient(self) -> Patient: ...
    @property
    def acquisition(self) -> Acquisition: ...
    @property
    def header(self) -> SeriesHeader: ...


def streamed_series(made: Declared, image: CtImage, *, position_tolerance_mm: float) -> StreamedSeries:
    """The series of a rendered patient; positions are rounded as DICOM writes them.

    Raises
    ------
    RefusedError
        What `read_volume` or the SEG's reader would refuse.
    """
    files = streamed_headers(made, image)
    geometry = stack_geometry(files.files, position_tolerance_mm)
    refusals = geometry.refusals(position_tolerance_mm)
    if refusals or geometry.affine is None:
        raise RefusedError(*refusals)
    # headers run from the head down, the image from the foot up, as `geometry.order` does
    volume = Volume(np.maximum(image.hu, AIR_HU).astype(np.int16, copy=False), geometry.affine)
    return StreamedSeries(files, volume, _labels(image.labels, files))


def streamed_headers(made: Declared, image: CtImage) -> SeriesFiles:
    """Headers of all slices from the data set of one: they differ in position and instance only.

    Of `image` only the affine and the shape are used.
    """
    one = CtImage(image.hu[:1], image.affine, image.labels[:1], image.offset_mm)
    (dataset,) = series_datasets(made.patient, made.header, made.acquisition, one)
    header = header_of_data_set(Path(), dataset, truncated=False)
    files = []
    for number, k in enumerate(reversed(range(len(image.hu))), start=1):
        place = image.affine @ np.array([k, 0, 0, 1.0])
        position = tuple(float(decimal(value)) for value in place[:3])
        files.append(replace(header, sop_instance_uid=f"{number}", position_mm=position))
    return SeriesFiles(header.series_instance_uid, tuple(files))


def _labels(labels: NDArray[np.uint8], files: SeriesFiles) -> SpineLabels:
    """Bodies from the body masks, as `dicom_seg.read_dicom_seg` finds them in the SEG of this series."""
    first = files.files[0]
    assert first.orientation is not None
    assert first.pixel_spacing_mm is not None
    head_first = labels[::-1]
    found = BodyCollector(LEVEL_FILE)
    boxes = ndimage.find_objects(head_first, len(LEVELS))
    for number, (name, box) in enumerate(zip(LEVELS, boxes, strict=True), start=1):
        if box is None:
            continue
        masks = {k: head_first[k] == number for k in range(box[0].start, box[0].stop)}
        used = {k: mask for k, mask in masks.items() if mask.any()}
        stacked, affine = stacked_mask(
            list(used.values()),
            [np.array(files.files[k].position_mm) for k in used],
            np.array(first.orientation),
            (first.pixel_spacing_mm[0], first.pixel_spacing_mm[1]),
            first.spacing_between_slices_mm,
        )
        found.add(name, stacked, affine)
    return found.labels()
