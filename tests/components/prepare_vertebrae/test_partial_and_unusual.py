"""Vertebrae that the images cut are refused by name; an unusual count of vertebrae or ribs is flagged."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.levels import check_in_view, spine_levels
from components.prepare_vertebrae.params import PrepareParams
from models.crop_store import CropGeometry
from models.refusal import Code, RefusedError
from tests.components.prepare_vertebrae.conftest import grid_points
from tests.components.prepare_vertebrae.level_objects import BODY_HALF_MM, box_contours, write_rtstruct

SMALL = CropGeometry(pixels=12, size_mm=24.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=0.0)
TOTALSEG = {"T12": 32, "L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27}


def neighbours(centres: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """T12 and L5 one spacing (36 mm) above and below."""
    step = np.array([0.0, 0.0, 36.0])
    return {"T12": centres["L1"] + step, **centres, "L5": centres["L4"] - step}


def write_labels(
    path: Path,
    centres: dict[str, np.ndarray],
    numbers: dict[str, int],
    *,
    z_mm: tuple[float, float] = (-150.0, 150.0),
    boxes: dict[int, tuple[np.ndarray, tuple[float, float, float]]] | None = None,
) -> Path:
    """A label map of box bodies on a 2 x 2 x 3 mm grid from z_mm[0] to z_mm[1], and further boxes by number."""
    planes = int((z_mm[1] - z_mm[0]) / 3)
    affine = np.array([[0, 0, 2.0, -88], [0, 2.0, 0, -60], [3.0, 0, 0, z_mm[0]], [0, 0, 0, 1.0]])
    points = grid_points((planes, 80, 90), affine)
    labels = np.zeros(points.shape[:3], np.uint8)
    placed = {number: (centres[name], BODY_HALF_MM) for name, number in numbers.items()} | (boxes or {})
    for number, (centre, half_mm) in placed.items():
        labels[np.all(np.abs(points - centre) <= half_mm, axis=-1)] = number
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine), path)
    return path


@pytest.fixture
def wide(centres: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return neighbours(centres)


def test_a_vertebra_at_the_end_of_a_label_map_is_cut_and_gives_no_crop(
    tmp_path: Path, params: PrepareParams, spine: Volume, wide: dict[str, np.ndarray]
) -> None:
    # the map ends 6 mm above L1's centre: 13 mm of the body would be there
    path = write_labels(tmp_path / "a.totalseg.nii.gz", wide, TOTALSEG, z_mm=(-150, 60))
    levels = read_spine(path, params.levels).levels
    assert [level.name for level in levels if level.cut] == ["L1"]
    with pytest.raises(RefusedError, match="L1 reaches the end") as refused:
        extract_crops(spine, levels[0], SMALL, (0.0,), coverage_tolerance_mm=3.0)
    assert refused.value.codes == (Code.VERTEBRA_CUT,)
    assert extract_crops(spine, levels[1], SMALL, (0.0,), coverage_tolerance_mm=3.0).shape == (1, 3, 12, 12)


def test_a_sliver_of_a_vertebra_does_not_make_the_others_ambiguous(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    # 3 to 6 mm of L1 are left, 30 mm above L2: as centres go, far too near
    path = write_labels(tmp_path / "a.totalseg.nii.gz", wide, TOTALSEG, z_mm=(-150, 45))
    levels = read_spine(path, params.levels).levels
    assert [(level.name, bool(level.cut)) for level in levels] == [
        ("L1", True), ("L2", False), ("L3", False), ("L4", False),
    ]  # fmt: skip


def test_axes_do_not_follow_the_centre_of_a_cut_body(
    params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    # what is left of L1 has its centre too far back and too low
    left = centres | {"L1": centres["L1"] + np.array([0.0, 15.0, -9.0])}
    levels = spine_levels(left, params.levels, source="test", cut={"L1": "L1 reaches the end of the images"})
    assert [bool(level.cut) for level in levels] == [True, False, False, False]
    for level in levels:
        np.testing.assert_allclose(level.axes, np.eye(3), atol=1e-9)


def test_contours_that_reach_the_end_of_the_images_are_cut(
    tmp_path: Path, params: PrepareParams, spine: Volume, centres: dict[str, np.ndarray]
) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", {name: box_contours(c) for name, c in centres.items()})
    assert not any(level.cut for level in read_spine(path, params.levels, volume=spine).levels)
    # 55 slices are left, up to z = 64.5 mm with the outer face at 66 mm; L1's last plane is at 66, its face at 67.5
    keep = slice(0, 55)
    shorter = Volume(spine.hu[keep], spine.affine)
    cut = [level.name for level in read_spine(path, params.levels, volume=shorter).levels if level.cut]
    assert cut == ["L1"]


def test_levels_of_another_place_are_not_in_view_rather_than_cut(
    tmp_path: Path, params: PrepareParams, spine: Volume, wide: dict[str, np.ndarray]
) -> None:
    path = write_labels(tmp_path / "a.totalseg.nii.gz", wide, TOTALSEG)
    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[0, 3] += 500
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), path)
    levels = read_spine(path, params.levels, volume=spine).levels
    assert not any(level.cut for level in levels)
    with pytest.raises(RefusedError) as refused:
        check_in_view(levels, spine, source="a")
    assert refused.value.codes == (Code.LEVELS_NOT_IN_VIEW,)


def test_too_few_whole_vertebrae_refuse_the_series(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    path = write_labels(tmp_path / "a.totalseg.nii.gz", wide, TOTALSEG, z_mm=(-21, 24))
    with pytest.raises(RefusedError, match=r"L2 reaches .* L3 reaches") as refused:
        read_spine(path, params.levels)
    assert refused.value.codes == (Code.VERTEBRA_CUT,)


def rib_at(centre: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    return centre + np.array([27.0, 4.0, 0.0]), (5.0, 5.0, 4.0)


@pytest.mark.parametrize(
    ("numbers", "ribs", "codes"),
    [
        (TOTALSEG, {103: "T12", 115: "T12", 102: "T11"}, []),
        (TOTALSEG, {}, []),  # no rib is outlined: labels cannot tell
        (TOTALSEG, {102: "T11"}, [Code.LEVELS_RIBS_UNUSUAL]),  # ribs, and none at T12
        (TOTALSEG, {103: "L1"}, [Code.LEVELS_RIBS_UNUSUAL]),  # the twelfth rib lies at L1
    ],
)
def test_ribs_are_looked_at_where_they_are_outlined(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray], numbers: dict, ribs: dict, codes: list
) -> None:
    wide = {"T11": wide["T12"] + np.array([0.0, 0.0, 36.0]), **wide}
    path = write_labels(
        tmp_path / "a.totalseg.nii.gz", wide, numbers | {"T11": 33},
        boxes={number: rib_at(wide[name]) for number, name in ribs.items()},
    )  # fmt: skip
    spine = read_spine(path, params.levels)
    assert [flag.code for flag in spine.flags] == codes
    assert len(spine.levels) == 4  # flagged, and used all the same


def test_a_sixth_lumbar_or_thirteenth_thoracic_vertebra_is_flagged(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    verse = {"T12": 19, "L1": 20, "L2": 21, "L3": 22, "L4": 23, "L5": 24}
    path = write_labels(tmp_path / "a.verse.nii.gz", wide, verse)
    assert read_spine(path, params.levels).flags == ()
    six = wide | {"L6": wide["L5"] - np.array([0.0, 0.0, 36.0])}
    path = write_labels(tmp_path / "b.verse.nii.gz", six, verse | {"L6": 25})
    (flag,) = read_spine(path, params.levels).flags
    assert flag.code is Code.LEVELS_COUNT_UNUSUAL
    assert "L6" in flag.found
    refusing = params.levels.model_copy(update={"unusual_numbering": "refuse"})
    with pytest.raises(RefusedError) as refused:
        read_spine(path, refusing)
    assert refused.value.codes == (Code.LEVELS_COUNT_UNUSUAL,)
    table = tmp_path / "levels.csv"
    rows = [f"{name},{c[0]},{c[1]},{c[2]}" for name, c in {**wide, "T13": wide["T12"] + 1}.items()]
    table.write_text("level,x_mm,y_mm,z_mm\n" + "\n".join(rows))
    assert [flag.code for flag in read_spine(table, params.levels).flags] == [Code.LEVELS_COUNT_UNUSUAL]


def test_s1_next_to_l4_leaves_no_room_for_l5(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    four = {name: centre for name, centre in wide.items() if name != "L5"} | {"S1": wide["L5"]}
    numbers = {name: number for name, number in TOTALSEG.items() if name != "L5"} | {"S1": 26}
    (flag,) = read_spine(write_labels(tmp_path / "a.totalseg.nii.gz", four, numbers), params.levels).flags
    assert flag.code is Code.LEVELS_COUNT_UNUSUAL
    assert "S1 lies next to L4" in flag.found
    # under the other numbering of the same number, 26 is a sixth lumbar vertebra
    (flag,) = read_spine(write_labels(tmp_path / "a.totalseg_v3.nii.gz", four, numbers), params.levels).flags
    assert "L6" in flag.found


def test_a_neighbour_on_the_wrong_side_contradicts(
    params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    swapped = wide | {"T12": wide["L5"], "L5": wide["T12"]}
    with pytest.raises(RefusedError, match="T12 does not lie above L1") as refused:
        spine_levels(swapped, params.levels, source="test")
    assert refused.value.codes == (Code.LEVELS_AMBIGUOUS,)


def test_a_name_that_states_one_scheme_and_an_option_that_says_another(
    tmp_path: Path, params: PrepareParams, wide: dict[str, np.ndarray]
) -> None:
    path = write_labels(tmp_path / "a.totalseg.nii.gz", wide, TOTALSEG)
    assert len(read_spine(path, params.levels, scheme="totalseg").levels) == 4
    with pytest.raises(RefusedError, match="its name states totalseg, but verse is given") as refused:
        read_spine(path, params.levels, scheme="verse")
    assert refused.value.codes == (Code.LEVELS_UNREADABLE,)
