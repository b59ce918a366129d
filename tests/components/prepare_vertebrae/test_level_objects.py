"""Levels from segmentations and structure sets of any producer: codes, spellings, order, frames, broken contours."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest

from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.levels import Spine
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.wanted_series import WantedSeries
from models.levels import LEVELS
from models.refusal import Code, RefusedError
from tests.components.prepare_vertebrae.level_objects import box_contours, write_rtstruct, write_seg

SCT = {"L1": "66794005", "L2": "14293000", "L3": "36470004", "L4": "11994002"}
SRT = {"L1": "T-11910", "L2": "T-11920", "L3": "T-11930", "L4": "T-11940"}
FRAME = WantedSeries("1.2.9", frozenset({"1.2.3.4"}))


def assert_at(spine: Spine, centres: dict[str, np.ndarray], atol_mm: float = 1.6) -> None:
    assert [level.name for level in spine.levels] == list(LEVELS)
    for level in spine.levels:
        np.testing.assert_allclose(level.centre_lps_mm, centres[level.name], atol=atol_mm)


def code_of(path: Path, params: PrepareParams, wanted: WantedSeries | None = None) -> Code:
    with pytest.raises(RefusedError) as refused:
        read_spine(path, params.levels, wanted=wanted)
    (code,) = refused.value.codes
    return code


@pytest.mark.parametrize(
    "style",
    [
        {"described": [("bone", SRT[name]) for name in LEVELS], "scheme": "SRT"},
        {"described": [("bone", SCT[name]) for name in LEVELS], "region": True},
        {"described": [(f"Lumbar vertebra {n}", None) for n in (1, 2, 3, 4)]},
        {"described": [(f"{name}_VB", None) for name in LEVELS], "kind": "LABELMAP"},
    ],
    ids=["SNOMED-RT", "anatomic region", "spelled out", "label map SEG"],
)
def test_segs_of_several_producers(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray], style: dict
) -> None:
    assert_at(read_spine(write_seg(*bodies, tmp_path / "seg.dcm", **style), params.levels), centres)


def test_a_fractional_seg_counts_voxels_from_one_half(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    slices, labels = bodies
    share = np.stack([(labels == number) * 0.9 for number in (1, 2, 3, 4)], axis=-1)
    halo = np.roll(labels, 8, axis=1)  # 16 mm behind: were it counted, centres would move back by 8 mm
    for number in (1, 2, 3, 4):
        share[..., number - 1] = np.maximum(share[..., number - 1], (halo == number) * 0.3)
    path = write_seg(
        slices, share.astype(np.float32), tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS],
        kind="FRACTIONAL",
    )  # fmt: skip
    assert_at(read_spine(path, params.levels), centres)


def test_the_order_of_frames_means_nothing(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    seg = pydicom.dcmread(path)
    order = np.random.default_rng(5).permutation(int(seg.NumberOfFrames))
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    frames = seg.pixel_array[order]
    seg.PerFrameFunctionalGroupsSequence = [groups[number] for number in order]
    seg.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
    seg.PixelData += b"\0" * (len(seg.PixelData) % 2)
    seg.save_as(path)
    assert_at(read_spine(path, params.levels), centres)


def test_frames_cut_to_what_they_show_are_put_back(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    seg = pydicom.dcmread(path)
    frames, rng = seg.pixel_array, np.random.default_rng(2)
    wide = np.zeros(
        (len(frames), 93, 99), np.uint8
    )  # 93 x 99 bits: frames that begin in the middle of a byte
    for plane, frame, group in zip(wide, frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        row, column = rng.integers(0, 9, 2)
        plane[row : row + 80, column : column + 90] = frame
        x, y, z = (float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient)
        group.PlanePositionSequence[0].ImagePositionPatient = [x - 2 * column, y - 2 * row, z]
    seg.Rows, seg.Columns = wide.shape[1:]
    seg.PixelData = np.packbits(wide.ravel(), bitorder="little").tobytes()
    seg.PixelData += b"\0" * (len(seg.PixelData) % 2)
    seg.save_as(path)
    assert_at(read_spine(path, params.levels), centres)


def test_frames_of_a_tilted_gantry_lie_where_they_were_drawn(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    lean = np.tan(
        np.radians(15.0)
    )  # each plane is moved backwards by its height times this, and so is each body
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    seg = pydicom.dcmread(path)
    for group in seg.PerFrameFunctionalGroupsSequence:
        x, y, z = (float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient)
        group.PlanePositionSequence[0].ImagePositionPatient = [x, round(y + z * lean, 3), z]
    seg.save_as(path)
    moved = {name: centre + np.array([0, centre[2] * lean, 0]) for name, centre in centres.items()}
    assert_at(read_spine(path, params.levels), moved)


def test_of_a_hundred_structures_only_the_wanted_frames_are_decoded(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    seg = pydicom.dcmread(path)
    organ = pydicom.Dataset()
    organ.SegmentNumber, organ.SegmentLabel = 5, "liver"
    seg.SegmentSequence.append(organ)
    first, frames = seg.PerFrameFunctionalGroupsSequence[0], seg.pixel_array
    wide = np.zeros((len(frames), 320, 360), np.uint8)
    wide[:, :80, :90] = frames
    many = 600  # 69 MB, were they all decoded
    for _ in range(many):
        group = pydicom.Dataset()
        group.SegmentIdentificationSequence = [pydicom.Dataset()]
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 5
        group.PlanePositionSequence = first.PlanePositionSequence
        seg.PerFrameFunctionalGroupsSequence.append(group)
    seg.NumberOfFrames, seg.Rows, seg.Columns = len(frames) + many, 320, 360
    seg.PixelData = np.packbits(wide.ravel(), bitorder="little").tobytes() + b"\xff" * (many * 320 * 45)
    seg.save_as(path)
    tracemalloc.start()
    assert_at(read_spine(path, params.levels), centres)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_frames_that_are_not_parallel_are_unreadable(
    tmp_path: Path, params: PrepareParams, bodies: tuple
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    plane = shared.PlaneOrientationSequence
    del shared.PlaneOrientationSequence
    for number, group in enumerate(seg.PerFrameFunctionalGroupsSequence):
        own = pydicom.Dataset()
        own.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if number == 3 else plane[0].ImageOrientationPatient
        group.PlaneOrientationSequence = [own]
    seg.save_as(path)
    assert code_of(path, params) is Code.LEVELS_UNREADABLE


def test_a_seg_of_another_frame_of_reference_is_refused(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray]
) -> None:
    slices, _ = bodies
    own = WantedSeries("1.2.9", frozenset({slices[0].FrameOfReferenceUID}))
    path = write_seg(*bodies, tmp_path / "seg.dcm", [(name, SCT[name]) for name in LEVELS])
    assert_at(read_spine(path, params.levels, wanted=own), centres)  # another series of the frame will do
    assert code_of(path, params, FRAME) is Code.LEVELS_OTHER_FRAME
    seg = pydicom.dcmread(path)
    del seg.FrameOfReferenceUID
    seg.save_as(path)
    assert code_of(path, params, own) is Code.LEVELS_OTHER_FRAME
    named = WantedSeries(slices[0].SeriesInstanceUID, own.frames_of_reference)
    assert_at(read_spine(path, params.levels, wanted=named), centres)


def boxes(centres: dict[str, np.ndarray], style: str = "{}", axis: int = 2) -> dict[str, list]:
    return {style.format(name): box_contours(centre, axis=axis) for name, centre in centres.items()}


@pytest.mark.parametrize("style", ["{}", "VB_{}", "vertebrae_{}", "Vertebra{}", "{} body"])
def test_a_structure_set_by_roi_name(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray], style: str
) -> None:
    rois = boxes(centres, style) | {"PTV_L2": box_contours(np.zeros(3)), "Heart": box_contours(np.zeros(3))}
    path = write_rtstruct(tmp_path / "rt.dcm", rois)
    assert_at(read_spine(path, params.levels, wanted=FRAME), centres, 0.8)


def test_a_structure_set_by_code_and_on_sagittal_planes(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    rois = boxes(centres, "bone {}#", axis=0)
    rois = {name.replace(name[5:7], "x") + name[5:7]: drawn for name, drawn in rois.items()}
    codes = {name: SCT[name[-2:]] for name in rois}
    path = write_rtstruct(tmp_path / "rt.dcm", rois, codes=codes)
    assert_at(read_spine(path, params.levels, wanted=FRAME), centres, 0.8)


def test_an_arch_in_the_contours_does_not_pull_the_centre_back(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    rois = boxes(centres)
    for name, centre in centres.items():
        process = box_contours(centre + np.array([0.0, 44.0, 0.0]), (4.0, 15.0, 10.0))
        hole = box_contours(centre + np.array([0.0, 40.0, 0.0]), (1.0, 3.0, 10.0))
        rois[name] = [*rois[name], *process, *hole, *process[:1]]  # one contour twice
    path = write_rtstruct(tmp_path / "rt.dcm", rois)
    assert_at(read_spine(path, params.levels, wanted=FRAME), centres, 0.8)


def test_point_rois_are_centres(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    rois = {name: [("POINT", centre[None])] for name, centre in centres.items()}
    path = write_rtstruct(tmp_path / "rt.dcm", rois)
    assert_at(read_spine(path, params.levels, wanted=FRAME), centres, 0.001)


def warped(contours: list) -> list:
    kind, points = contours[2]
    bent = points.copy()
    bent[0, 2] += 4.0
    return [*contours[:2], (kind, bent), *contours[3:]]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda drawn: [("OPEN_PLANAR", drawn[0][1]), *drawn[1:]], "OPEN_PLANAR"),
        (lambda drawn: [("OPEN_NONPLANAR", drawn[0][1]), *drawn[1:]], "OPEN_NONPLANAR"),
        (warped, "strays"),
        (lambda drawn: [*drawn, *box_contours(drawn[0][1].mean(axis=0), axis=0)], "not parallel"),
        (lambda drawn: [("CLOSED_PLANAR", drawn[0][1][:2]), *drawn[1:]], "2 points"),
        (lambda drawn: [("CLOSED_PLANAR", np.full((4, 3), np.nan)), *drawn[1:]], "finite"),
        (lambda drawn: [("CLOSED_PLANAR", drawn[0][1].ravel()[:10]), *drawn[1:]], "10 values"),
        (lambda drawn: [("CLOSED_PLANAR", np.ones((4, 3))), *drawn[1:]], "0.00 mm2"),
        (lambda drawn: drawn[:1], "one plane"),
        (lambda drawn: [("CLOSED_PLANAR", points * [20, 1, 1]) for _, points in drawn], "no vertebra"),
    ],
)
def test_contours_that_enclose_no_vertebra_are_refused_with_their_fault(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray], change: object, found: str
) -> None:
    rois = boxes(centres)
    rois["L2"] = change(rois["L2"])  # type: ignore[operator]
    path = write_rtstruct(tmp_path / "rt.dcm", rois)
    with pytest.raises(RefusedError, match=f"L2: .*{found}") as refused:
        read_spine(path, params.levels, wanted=FRAME)
    assert refused.value.codes == (Code.LEVELS_CONTOUR_INVALID,)
    assert "\n" not in str(refused.value)


def test_structure_sets_that_are_refused(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "rt.dcm"
    write_rtstruct(path, boxes(centres), frame_uid="9.9")
    assert code_of(path, params, FRAME) is Code.LEVELS_OTHER_FRAME
    write_rtstruct(path, {"Heart": box_contours(np.zeros(3))})
    assert code_of(path, params, FRAME) is Code.LEVELS_MISSING
    write_rtstruct(path, boxes(centres) | {"L1#again": box_contours(centres["L1"])})
    assert code_of(path, params, FRAME) is Code.LEVELS_AMBIGUOUS
    write_rtstruct(path, boxes(centres), codes={"L1": SCT["L2"]})
    assert code_of(path, params, FRAME) is Code.LEVELS_AMBIGUOUS
    write_rtstruct(path, {"L1": box_contours(centres["L1"]), "L2": []})  # named, and never drawn
    assert code_of(path, params, FRAME) is Code.LEVELS_TOO_FEW
