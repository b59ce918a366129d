"""Level files that no program should write: lengths, sizes and nesting that are not what they say."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from components.prepare_vertebrae import dicom_seg
from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.params import PrepareParams
from models.refusal import Code, RefusedError
from tests.components.prepare_vertebrae.level_objects import box_contours, write_rtstruct, write_seg

CODES = ("66794005", "14293000", "36470004", "11994002")
Refuse = Callable[[Path], RefusedError]


@pytest.fixture
def refusal(params: PrepareParams) -> Refuse:
    def refused(path: Path) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            read_spine(path, params.levels)
        assert caught.value.codes == (Code.LEVELS_UNREADABLE,)
        assert "\n" not in str(caught.value)
        return caught.value

    return refused


@pytest.fixture
def segmentation(bodies: tuple[list, np.ndarray], tmp_path: Path) -> Path:
    slices, labels = bodies
    described = [(f"L{number}", code) for number, code in enumerate(CODES, start=1)]
    return write_seg(slices, labels, tmp_path / "seg.dcm", described)


@pytest.fixture
def structures(centres: dict[str, np.ndarray], tmp_path: Path) -> Path:
    return write_rtstruct(
        tmp_path / "rs.dcm", {name: box_contours(centre) for name, centre in centres.items()}
    )


@pytest.mark.parametrize("kind", ["segmentation", "structures"])
def test_a_sequence_that_breaks_off_inside_is_no_crash(
    kind: str, request: pytest.FixtureRequest, refusal: Refuse
) -> None:
    """Sequences of a defined length are parsed when they are looked into, long after the file was read."""
    path = request.getfixturevalue(kind)
    dataset = dcmread(path)
    tag = Tag("SegmentSequence" if kind == "segmentation" else "StructureSetROISequence")
    broken = struct.pack("<HH", 0xFFFE, 0xE000)  # an item, and no length of it
    dataset[tag] = RawDataElement(tag, "SQ", len(broken), broken, 0, False, True)
    dataset.save_as(path)
    refusal(path)


def test_a_class_that_is_no_text_is_no_crash(structures: Path, refusal: Refuse) -> None:
    """Its UID under a VR of numbers: what pydicom raises on it comes when the object is looked at first."""
    raw = structures.read_bytes()
    at = raw.index(b"\x08\x00\x16\x00UI", 132)
    structures.write_bytes(raw[: at + 4] + b"FD" + raw[at + 6 :])
    refusal(structures)


def test_segments_without_numbers_or_frames_are_no_crash(segmentation: Path, refusal: Refuse) -> None:
    for change in (
        lambda seg: delattr(seg.SegmentSequence[0], "SegmentNumber"),
        lambda seg: delattr(seg, "NumberOfFrames"),
        lambda seg: setattr(seg, "NumberOfFrames", 999999),
        lambda seg: delattr(seg, "PixelData"),
        lambda seg: delattr(seg, "SharedFunctionalGroupsSequence"),
    ):
        dataset = dcmread(segmentation)
        change(dataset)
        changed = segmentation.with_name("changed.dcm")
        dataset.save_as(changed)
        refusal(changed)


def test_absurd_rows_of_a_segmentation_are_refused_before_room_is_made(
    segmentation: Path, refusal: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    monkeypatch.setattr(dicom_seg, "iter_pixels", lambda *_, **__: decoded.append(1) or iter(()))
    dataset = dcmread(segmentation)
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(segmentation)
    assert "65535 x 65535" in str(refusal(segmentation))
    assert decoded == []


def test_frames_far_apart_make_no_mountain_of_empty_planes(
    segmentation: Path, refusal: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_seg, "VOXELS_MAX", 10_000)
    assert "at most 10000 are accepted" in str(refusal(segmentation))


def test_only_frames_of_vertebrae_are_decoded(
    bodies: tuple[list, np.ndarray], tmp_path: Path, params: PrepareParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a whole trunk's hundred segments, those of other organs cost nothing."""
    slices, labels = bodies
    more = labels.copy()
    more[:, :10, :10] = 5  # an organ in every slice
    described = [(f"L{number}", code) for number, code in enumerate(CODES, start=1)] + [("liver", None)]
    path = write_seg(slices, more, tmp_path / "seg.dcm", described)
    asked: list[int] = []
    plain = dicom_seg._decoded

    def watched(dataset: Dataset, places: list[int]) -> Iterator[np.ndarray]:
        asked.extend(places)
        return plain(dataset, places)

    monkeypatch.setattr(dicom_seg, "_decoded", watched)
    found = read_spine(path, params.levels)
    assert [level.name for level in found.levels] == ["L1", "L2", "L3", "L4"]
    assert len(asked) == np.sum([(labels == number).any(axis=(1, 2)).sum() for number in range(1, 5)])
    assert len(asked) < int(dcmread(path).NumberOfFrames)
