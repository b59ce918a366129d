"""Reading levels from a table, a label map and a DICOM SEG, and refusing what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.ingest_dicom.deidentify.tables import copy_label_map
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.centre_table import series_named_in
from components.prepare_vertebrae.level_file import read_levels
from components.prepare_vertebrae.params import PrepareParams
from models.levels import LEVELS
from models.refusal import Code, RefusedError
from tests.components.prepare_vertebrae.level_objects import write_seg

SCT = {"L1": "66794005", "L2": "14293000", "L3": "36470004", "L4": "11994002"}


def codes_of(call: Callable[[], object]) -> tuple[Code, ...]:
    with pytest.raises(RefusedError) as refused:
        call()
    return refused.value.codes


def write_table(path: Path, *rows: str, header: str = "level,x_mm,y_mm,z_mm") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


GOOD = ("L1,1,2,100", "L2,1,2,66", "L3,1,2,31", "L4,1,2,-5")


def test_a_table_of_centres(tmp_path: Path, params: PrepareParams) -> None:
    levels = read_levels(write_table(tmp_path / "a.csv", "T12,1,2,133", *GOOD), params.levels)
    np.testing.assert_array_equal(levels[1].centre_lps_mm, [1, 2, 66])


@pytest.mark.parametrize(
    ("rows", "header", "code"),
    [
        ((*GOOD, "L2,1,2,64"), "level,x_mm,y_mm,z_mm", Code.LEVELS_AMBIGUOUS),
        (("L1,1,2,high", *GOOD[1:]), "level,x_mm,y_mm,z_mm", Code.LEVELS_UNREADABLE),
        (("L1,1,2,nan", *GOOD[1:]), "level,x_mm,y_mm,z_mm", Code.LEVELS_UNREADABLE),
        (GOOD, "level,x,y,z", Code.LEVELS_UNREADABLE),
        ((), "level,x_mm,y_mm,z_mm", Code.LEVELS_MISSING),
    ],
)
def test_tables_that_are_refused(
    tmp_path: Path, params: PrepareParams, rows: tuple[str, ...], header: str, code: Code
) -> None:
    path = write_table(tmp_path / "a.csv", *rows, header=header)
    assert codes_of(lambda: read_levels(path, params.levels)) == (code,)


def test_a_table_for_several_series_gives_the_wanted_one(tmp_path: Path, params: PrepareParams) -> None:
    rows = [f"1.2.3,{row}" for row in GOOD] + [f"1.2.9,{row.replace(',1,2,', ',50,60,')}" for row in GOOD]
    path = write_table(tmp_path / "a.csv", *rows, header="series_instance_uid,level,x_mm,y_mm,z_mm")
    assert read_levels(path, params.levels, series_instance_uid="1.2.9")[0].centre_lps_mm[0] == 50
    other = codes_of(lambda: read_levels(path, params.levels, series_instance_uid="1.2.4"))
    assert other == (Code.LEVELS_AMBIGUOUS,)


def label_map(spine: Volume, centres: dict[str, np.ndarray], values: dict[str, int], path: Path) -> Path:
    """Bodies as the fixture has them, each with an arch and a process that reach 45 mm behind it."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in spine.shape), indexing="ij"), axis=-1)
    points = spine.index_to_lps(index)
    labels = np.zeros(spine.shape, np.uint8)
    for name, value in values.items():
        away = points - centres[name]
        body = np.all(np.abs(away) <= (20, 15, 13), axis=-1)
        pedicles = (np.abs(np.abs(away[..., 0]) - 14) <= 4) & (away[..., 1] > 0) & (away[..., 1] < 30)
        process = (np.abs(away[..., 0]) <= 5) & (away[..., 1] >= 28) & (away[..., 1] < 60)
        labels[(body | pedicles | process) & (np.abs(away[..., 2]) <= 13)] = value
        thin = (pedicles | process) & (np.abs(away[..., 2]) > 6)
        labels[thin & (labels == value) & ~body] = 0
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ spine.affine), path)
    return path


@pytest.mark.parametrize(
    ("scheme", "values"),
    [
        ("totalseg", dict(zip(LEVELS, (31, 30, 29, 28), strict=True))),
        ("verse", dict(zip(LEVELS, range(20, 24), strict=True))),
    ],
)
def test_whole_vertebrae_give_body_centres(
    tmp_path: Path,
    params: PrepareParams,
    spine: Volume,
    centres: dict[str, np.ndarray],
    scheme: str,
    values: dict,
) -> None:
    path = label_map(spine, centres, values, tmp_path / "labels.nii.gz")
    for level in read_levels(path, params.levels, scheme=scheme):
        # 2 x 2 x 3 mm voxels; the centroid of the whole mask would lie more than 6 mm behind
        np.testing.assert_allclose(level.centre_lps_mm, centres[level.name], atol=1.6)


def test_the_scheme_is_never_guessed(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    path = label_map(spine, centres, {"L1": 31, "L2": 30}, tmp_path / "labels.nii.gz")
    with pytest.raises(RefusedError, match="accepted: totalseg, verse") as refused:
        read_levels(path, params.levels)
    assert refused.value.codes == (Code.LEVELS_UNREADABLE,)
    assert codes_of(lambda: read_levels(path, params.levels, scheme="other")) == (Code.LEVELS_UNREADABLE,)
    assert codes_of(lambda: read_levels(path, params.levels, scheme="verse")) == (Code.LEVELS_NOT_IN_VIEW,)


def with_table(path: Path, names: dict[int, str]) -> Path:
    """The label map with a table of labels in its header, as TotalSegmentator's own writer lays it there."""
    image = nibabel.load(path)
    labels = "".join(
        f'<Label Key="{number}" Red="1" Alpha="1"><![CDATA[{name}]]></Label>'
        for number, name in names.items()
    )
    xml = f'<?xml version="1.0" encoding="UTF-8"?> <CaretExtension><VolumeInformation Index="0"><LabelTable>{labels}'
    xml += "</LabelTable></VolumeInformation></CaretExtension>\n              "
    out = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine)
    out.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(out, path)
    return path


V1 = {"L1": 22, "L2": 21, "L3": 20, "L4": 19}


def test_numbers_of_version_1_have_a_scheme_and_the_header_helps_to_name_it(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    path = label_map(spine, centres, V1, tmp_path / "labels.nii.gz")
    for level in read_levels(path, params.levels, scheme="totalseg_v1"):
        np.testing.assert_allclose(level.centre_lps_mm, centres[level.name], atol=1.6)
    with_table(path, {1: "spleen", **{number: f"vertebrae_{name}" for name, number in V1.items()}})
    with pytest.raises(RefusedError, match="its own table of labels is that of totalseg_v1\\)") as refused:
        read_levels(path, params.levels)  # said, and still not chosen
    assert refused.value.codes == (Code.LEVELS_UNREADABLE,)
    assert len(read_levels(path, params.levels, scheme="totalseg_v1")) == 4


def test_a_table_of_labels_that_contradicts_the_scheme_is_refused(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    # TotalSegmentator 1 called T4-T7 by the numbers that 2 gives to L1-L4: in order, evenly spaced, and wrong
    path = label_map(
        spine, centres, dict(zip(LEVELS, (31, 30, 29, 28), strict=True)), tmp_path / "labels.nii.gz"
    )
    assert len(read_levels(path, params.levels, scheme="totalseg")) == 4
    with_table(path, {31: "vertebrae_T4", 30: "vertebrae_T5", 29: "vertebrae_T6", 28: "vertebrae_T7"})
    with pytest.raises(RefusedError, match="31 is L1, the file's own table of labels T4") as refused:
        read_levels(path, params.levels, scheme="totalseg")
    assert refused.value.codes == (Code.LEVELS_AMBIGUOUS,)
    assert codes_of(lambda: read_levels(path, params.levels)) == (
        Code.LEVELS_UNREADABLE,
    )  # it names none of L1-L4


@pytest.mark.parametrize(
    "damage",
    [
        b"<LabelTable",
        b"\xff\xfe<LabelTable>\xff",
        b"<LabelTable><Label Key='x'/></LabelTable>",
        b"<LabelTable><Label Key='" + b"9" * 5000 + b"'/></LabelTable>",
    ],
)
def test_a_damaged_table_of_labels_is_no_table(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray], damage: bytes
) -> None:
    path = label_map(
        spine, centres, dict(zip(LEVELS, (31, 30, 29, 28), strict=True)), tmp_path / "labels.nii"
    )
    image = nibabel.load(path)
    out = nibabel.Nifti1Image(np.array(image.dataobj), image.affine)
    out.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, damage))
    nibabel.save(out, path)
    assert len(read_levels(path, params.levels, scheme="totalseg")) == 4
    raw = bytearray(path.read_bytes())
    raw[40:56] = b"\xff" * 16  # dimensions that no image has
    path.write_bytes(bytes(raw))
    assert codes_of(lambda: read_levels(path, params.levels, scheme="totalseg")) == (Code.LEVELS_UNREADABLE,)


@pytest.mark.parametrize(("at", "damage"), [(108, b"\x00\x00\x80\x7f"), (40, b"\x03\x00" + b"\xff\x7f" * 3)])
def test_a_damaged_label_map_is_refused_when_read_and_when_copied(
    tmp_path: Path,
    params: PrepareParams,
    spine: Volume,
    centres: dict[str, np.ndarray],
    at: int,
    damage: bytes,
) -> None:
    """Voxels that begin at infinity, found by the fuzz, and more of them than any memory holds."""
    path = label_map(
        spine, centres, dict(zip(LEVELS, (31, 30, 29, 28), strict=True)), tmp_path / "labels.nii"
    )
    raw = bytearray(path.read_bytes())
    raw[at : at + len(damage)] = damage
    path.write_bytes(bytes(raw))
    assert codes_of(lambda: read_levels(path, params.levels, scheme="totalseg")) == (Code.LEVELS_UNREADABLE,)
    assert codes_of(lambda: copy_label_map(path, tmp_path / "copy.nii")) == (Code.LEVELS_UNREADABLE,)
    assert not (tmp_path / "copy.nii").exists()


def test_an_interpolated_label_map_is_refused(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    path = label_map(
        spine, centres, dict(zip(LEVELS, (31, 30, 29, 28), strict=True)), tmp_path / "labels.nii.gz"
    )
    image = nibabel.load(path)
    whole = np.asarray(image.dataobj).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(whole, image.affine), path)
    assert len(read_levels(path, params.levels, scheme="totalseg")) == 4
    nibabel.save(nibabel.Nifti1Image((whole + np.roll(whole, 1, axis=0)) / 2, image.affine), path)
    with pytest.raises(RefusedError, match="lie between whole numbers") as refused:
        read_levels(path, params.levels, scheme="totalseg")
    assert refused.value.codes == (Code.LEVELS_UNREADABLE,)


def test_one_label_over_two_vertebrae_is_refused(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    path = label_map(spine, centres, {"L1": 31, "L2": 30, "L3": 30, "L4": 28}, tmp_path / "labels.nii.gz")
    labels = nibabel.load(path)
    assert codes_of(lambda: read_levels(path, params.levels, scheme="totalseg")) == (Code.LEVELS_AMBIGUOUS,)
    assert labels.shape == spine.shape


@pytest.mark.parametrize(
    "described",
    [
        [(f"Segment {number}", SCT[name]) for number, name in enumerate(LEVELS)],
        [(f"vertebrae_{name}", None) for name in LEVELS],
        [(f"{name} vertebra", SCT[name]) for name in LEVELS],
    ],
)
def test_a_dicom_seg_by_code_or_label(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray], described: list
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", described)
    for level in read_levels(path, params.levels):
        np.testing.assert_allclose(level.centre_lps_mm, centres[level.name], atol=1.6)


@pytest.mark.parametrize(
    ("described", "code"),
    [
        ([("liver", None)] * 4, Code.LEVELS_MISSING),
        ([("L1-L2 disc", None), ("L2/L3 disc", None), ("liver", None), ("spine", None)], Code.LEVELS_MISSING),
        ([("L1", SCT["L2"]), ("L2", None), ("L3", None), ("L4", None)], Code.LEVELS_AMBIGUOUS),
        ([("L1", None), ("L1", None), ("L3", None), ("L4", None)], Code.LEVELS_AMBIGUOUS),
        ([("L4", None), ("L3", None), ("L2", None), ("L1", None)], Code.LEVELS_AMBIGUOUS),  # upside down
        ([("L1", None), ("x", None), ("y", None), ("z", None)], Code.LEVELS_TOO_FEW),
    ],
)
def test_segs_that_are_refused(
    tmp_path: Path, params: PrepareParams, bodies: tuple, described: list, code: Code
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", described)
    assert codes_of(lambda: read_levels(path, params.levels)) == (code,)


@pytest.mark.parametrize("name", ["absent.csv", "noise.dcm", "noise.nii.gz", "noise.csv", "notes.txt"])
def test_what_is_no_level_file_is_unreadable(tmp_path: Path, params: PrepareParams, name: str) -> None:
    path = tmp_path / name
    if not name.startswith("absent"):
        path.write_bytes(bytes(range(256)) * 4)
    assert codes_of(lambda: read_levels(path, params.levels, scheme="verse")) == (Code.LEVELS_UNREADABLE,)


def test_a_table_with_an_endless_field_names_no_series(tmp_path: Path) -> None:
    table = write_table(tmp_path / "levels.csv", f"L1,{'9' * 200_000},2,3")
    assert series_named_in(table) == frozenset()
