"""Levels from an RT Structure Set (PS3.3 A.19, C.8.8.5, C.8.8.6): contours to masks, points to centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from components.ingest_dicom.elements import VALUE_ERRORS, numbers, text
from components.ingest_dicom.level_references import contoured_series
from components.ingest_dicom.vertebra_names import rib_named, vertebra_coded, vertebra_named
from components.prepare_vertebrae.contour_mask import ContourError, contour_mask
from components.prepare_vertebrae.spine_labels import BodyCollector, SpineLabels, no_points
from components.prepare_vertebrae.wanted_series import WantedSeries
from models.levels import LEVELS
from models.refusal import Code, refuse

STRUCTURE_SET_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
POINT = "POINT"
RIBS = 12


def read_rtstruct(dataset: Dataset, wanted: WantedSeries, *, source: str) -> SpineLabels:
    """Bodies of the ROIs that are vertebrae by identification code or by name; a point ROI is a body centre.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (values of another kind), LEVELS_OTHER_FRAME, LEVELS_MISSING (no ROI is L1-L4),
        LEVELS_AMBIGUOUS (a level twice, or code and name disagree), LEVELS_CONTOUR_INVALID.
    """
    try:
        rois, ribs = _vertebra_rois(dataset, source)
        if not set(LEVELS) & set(rois):
            raise refuse(Code.LEVELS_MISSING, f"{source}: no ROI is coded or named L1-L4")
        return _read(dataset, rois, ribs, wanted, source)
    except VALUE_ERRORS as error:
        reason = " ".join(str(error).split())
        raise refuse(Code.LEVELS_UNREADABLE, f"{source}: its ROIs cannot be read ({reason})") from error


def _vertebra_rois(dataset: Dataset, source: str) -> tuple[dict[str, Dataset], dict[int, list[Dataset]]]:
    """Items of StructureSetROISequence by name of the vertebra, and by number of the rib."""
    codes = {
        text(item, "ReferencedROINumber"): vertebra_coded(item.get("RTROIIdentificationCodeSequence"))
        for item in dataset.get("RTROIObservationsSequence") or ()
    }
    rois: dict[str, Dataset] = {}
    ribs: dict[int, list[Dataset]] = {}
    for roi in dataset.get("StructureSetROISequence") or ():
        named = vertebra_named(text(roi, "ROIName"))
        coded = codes.get(text(roi, "ROINumber"))
        if named and coded and named != coded:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: an ROI is coded {coded} but named {named}")
        name = coded or named
        if name is None:
            rib = rib_named(text(roi, "ROIName"))
            if rib:
                ribs.setdefault(rib, []).append(roi)
        elif name not in rois:
            rois[name] = roi
        elif name in LEVELS:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: two ROIs are {name}")
    return rois, ribs


def _read(
    dataset: Dataset,
    rois: dict[str, Dataset],
    ribs: dict[int, list[Dataset]],
    wanted: WantedSeries,
    source: str,
) -> SpineLabels:
    drawn_on = set(contoured_series(dataset))
    contours = {
        text(item, "ReferencedROINumber"): item.get("ContourSequence") or ()
        for item in dataset.get("ROIContourSequence") or ()
    }
    found = BodyCollector(source)
    for name, roi in rois.items():
        own = contours.get(text(roi, "ROINumber"), ())
        if not own:
            continue  # named, and never drawn
        wanted.require_frame(text(roi, "ReferencedFrameOfReferenceUID"), drawn_on, source=f"{source}, {name}")
        try:
            if all(text(contour, "ContourGeometricType").upper() == POINT for contour in own):
                found.centres[name] = _points(own).mean(axis=0)
            else:
                found.add(name, *contour_mask([_closed(contour) for contour in own]))
        except ContourError as error:
            if name in LEVELS:
                raise refuse(Code.LEVELS_CONTOUR_INVALID, f"{source}: {name}: {error}") from error
    twelfth = [
        _points(contours[number])
        for roi in ribs.get(RIBS, ())
        if (number := text(roi, "ROINumber")) in contours and len(contours[number])
    ]
    return found.labels(twelfth_ribs=np.concatenate([no_points(), *twelfth]), ribs_outlined=bool(ribs))


def _points(contours: object) -> NDArray[np.float64]:
    """(M, 3) LPS mm of all contours together."""
    return np.concatenate([_coordinates(contour) for contour in contours])  # type: ignore[attr-defined]


def _closed(contour: Dataset) -> NDArray[np.float64]:
    """(M, 3) LPS mm of one closed planar contour."""
    kind = text(contour, "ContourGeometricType").upper()
    if kind not in CLOSED:
        raise ContourError(
            f"a contour is {kind or 'of no declared type'}; accepted: {', '.join(CLOSED)}, {POINT}"
        )
    return _coordinates(contour)


def _coordinates(contour: Dataset) -> NDArray[np.float64]:
    values = np.array(numbers(contour, "ContourData"), dtype=np.float64)
    if values.size == 0 or values.size % 3 or not np.isfinite(values).all():
        raise ContourError(f"ContourData holds {values.size} values; finite x, y, z triplets are accepted")
    declared = text(contour, "NumberOfContourPoints")
    if declared and declared.isdigit() and int(declared) != values.size // 3:
        raise ContourError(f"{declared} points are declared and {values.size // 3} given")
    return values.reshape(-1, 3)
