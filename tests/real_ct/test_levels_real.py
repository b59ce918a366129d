"""Levels of real scans as structure sets, and real vertebrae that the end of the images cuts."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import contourpy
import nibabel
import numpy as np
import pydicom
import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.prepare_vertebrae.level_file import read_levels, read_spine
from components.prepare_vertebrae.params import PrepareParams
from models.params import load_section
from models.refusal import Code, RefusedError
from pipelines.gateway.preparation import PreparedStudy, prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from tests.components.prepare_vertebrae.level_objects import write_rtstruct

pytestmark = pytest.mark.real_ct
ROOT = Path(__file__).resolve().parents[2]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
NUMBERS = {
    "vertebrae_T12": 32,
    "vertebrae_L1": 31,
    "vertebrae_L2": 30,
    "vertebrae_L3": 29,
    "vertebrae_L4": 28,
}
RealData = Callable[[str], Path]


@pytest.fixture(scope="module")
def params() -> PrepareParams:
    return load_section(ROOT / "params.yaml", "prepare", PrepareParams)


def contours_of(mask: np.ndarray, affine: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Outlines (another library's) of every axial plane of a mask, in LPS mm."""
    drawn = []
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        for line in contourpy.contour_generator(z=np.pad(mask[:, :, k], 1).T.astype(float)).lines(0.5):
            index = np.column_stack([line[:-1] - 1, np.full(len(line) - 1, k)])
            if len(index) > 3:
                drawn.append(("CLOSED_PLANAR", index @ affine[:3, :3].T + affine[:3, 3]))
    return drawn


def test_the_labels_of_a_real_scan_drawn_as_contours_give_the_same_levels(
    real_data: RealData, params: PrepareParams, tmp_path: Path
) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    image = nibabel.load(folder / "totalseg.nii.gz")
    labels, affine = np.asarray(image.dataobj), RAS_TO_LPS @ image.affine
    rois = {name: contours_of(labels == number, affine) for name, number in NUMBERS.items()}
    path = write_rtstruct(tmp_path / "rt.dcm", rois)
    expected = read_levels(folder / "totalseg.nii.gz", params.levels, scheme="totalseg")
    got = read_levels(path, params.levels)
    assert [level.name for level in got] == [level.name for level in expected]
    for one, other in zip(got, expected, strict=True):
        # within half a voxel of 3 mm: whole vertebrae, arches and all, through two ways of outlining
        np.testing.assert_allclose(one.centre_lps_mm, other.centre_lps_mm, atol=1.5)


def test_a_real_scan_that_ends_in_l1_gives_the_other_levels(
    real_data: RealData, params: PrepareParams, tmp_path: Path
) -> None:
    image = nibabel.load(real_data("totalseg_ct_lumbar_labelled") / "totalseg.nii.gz")
    labels = np.asarray(image.dataobj)
    planes = np.flatnonzero((labels == 31).any(axis=(0, 1)))
    path = tmp_path / "short.totalseg.nii.gz"
    for end in range(
        int(planes.mean()) - 2, int(planes.max()) - 1
    ):  # from half of L1 to all but its upper end
        nibabel.save(nibabel.Nifti1Image(labels[:, :, :end], image.affine), path)
        spine = read_spine(path, params.levels)
        assert [level.name for level in spine.levels if level.cut] == ["L1"], end
    nibabel.save(image, path)
    spine = read_spine(path, params.levels)
    assert not any(level.cut for level in spine.levels)
    assert spine.flags == ()


def test_a_crop_around_one_vertebra_leaves_nothing_to_measure(
    real_data: RealData, params: PrepareParams
) -> None:
    folder = real_data("l3_crop_labelled")
    with pytest.raises(RefusedError) as refused:
        read_spine(folder / "sub-ct_seg-vert_label-22_msk.nii.gz", params.levels, scheme="verse")
    assert refused.value.codes == (Code.VERTEBRA_CUT,)


def centres_of(table: Path) -> dict[str, np.ndarray]:
    with table.open() as file:
        rows = list(csv.DictReader(file))
    return {row["level"]: np.array([float(row[f"{axis}_mm"]) for axis in "xyz"]) for row in rows}


def test_a_structure_set_beside_a_real_series(real_data: RealData, tmp_path: Path) -> None:
    source = real_data("ge_discovery_ls_lumbar")
    shutil.copytree(source / "dicom", tmp_path / "study")
    slices = sorted((tmp_path / "study").iterdir())
    frame = str(pydicom.dcmread(slices[0], stop_before_pixels=True).FrameOfReferenceUID)
    rois = {f"{name} centre": [("POINT", c[None])] for name, c in centres_of(source / "levels.csv").items()}

    def prepared(level_file: Path | None = None) -> PreparedStudy:
        sections = GatewayParams.load(ROOT / "params.yaml")
        key = Pseudonymiser(b"a key of sixteen bytes or more")
        return prepare_study(tmp_path / "study", Stated(), sections, key, level_file=level_file)

    table = prepared(source / "levels.csv")
    write_rtstruct(tmp_path / "study" / "rt", rois, frame_uid=frame)
    beside = prepared()
    assert beside.refusals == ()
    assert len(beside.crops) == 4
    for one, other in zip(beside.crops, table.crops, strict=True):
        assert np.abs(one.hu.astype(int) - other.hu).max() <= 1
    write_rtstruct(tmp_path / "study" / "rt", rois, frame_uid="1.2.3")
    assert Code.LEVELS_MISSING in {refusal.code for refusal in prepared().refusals}  # it is of no series here
    named = {refusal.code for refusal in prepared(tmp_path / "study" / "rt").refusals}
    assert named == {Code.LEVELS_OTHER_FRAME}
