"""A tiny cohort on disk: reproducible, readable, and broken exactly where the truth says so."""

from __future__ import annotations

import csv
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from components.simulate_cohort.cohort_folder import CohortExistsError
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.planned_defects import DEFECTS, plan_defects
from components.simulate_cohort.simulate import simulate_cohort
from components.simulate_cohort.traffic import simulate_study
from models.params import load_section
from models.refusal import Code

SEED = 5
ROOT = Path(__file__).parents[3]


def small_params(**defects: float) -> SimulateParams:
    return SimulateParams(
        patients=3,
        seed=SEED,
        matrix=160,
        pixel_spacing_mm=(0.8, 0.95),
        vendor_mix={"GE": 1.0, "Siemens": 1.0, "Philips": 1.0, "Canon": 1.0},
        rle_share=0.0,
        defects=defects,
    )


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sound") / "cohort"
    simulate_cohort(patients=3, seed=SEED, out=out, params=small_params(), workers=1)
    return out


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("broken") / "cohort"
    names = [name for name in DEFECTS if name not in {"contrast_by_words", "monoenergetic", "dxa_date_far"}]
    shares = {name: 0.88 / len(names) for name in names}
    simulate_cohort(patients=len(names), seed=SEED, out=out, params=small_params(**shares), workers=1)
    return out


def read_series(folder: Path) -> list[pydicom.Dataset]:
    slices = [pydicom.dcmread(path) for path in sorted((folder / "ct").glob("*.dcm"))]
    return sorted(slices, key=lambda ds: float(ds.ImagePositionPatient[2]))


def truth(cohort: Path) -> dict[str, dict[str, str]]:
    with (cohort / "truth" / "defects.csv").open() as source:
        return {row["defect"]: row for row in csv.DictReader(source)}


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(sound: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    simulate_cohort(patients=3, seed=SEED, out=again, params=small_params(), workers=2)
    assert digest(again) == digest(sound)


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "cohort"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(patients=3, seed=SEED, out=out, params=small_params(), workers=1, progress=stop)
    assert not out.exists()
    simulate_cohort(patients=3, seed=SEED, out=out, params=small_params(), workers=1)
    assert digest(out) == digest(sound)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CohortExistsError, match="not empty"):
        simulate_cohort(patients=1, seed=SEED, out=tmp_path, params=small_params(), workers=1)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_slices_are_ordered_evenly_spaced_and_in_hu(sound: Path) -> None:
    slices = read_series(sound / "series" / "P0001")
    z = np.array([float(ds.ImagePositionPatient[2]) for ds in slices])
    assert np.diff(z) == pytest.approx(np.full(len(z) - 1, float(slices[0].SpacingBetweenSlices)), abs=1e-3)
    assert len({ds.SOPInstanceUID for ds in slices}) == len(slices)
    hu = np.stack([ds.pixel_array for ds in slices]) * 1.0 + float(slices[0].RescaleIntercept)
    soft = hu[(hu > -150) & (hu < 120)]
    assert -120 < np.percentile(soft, 10) < -40  # fat
    assert 0 < np.percentile(soft, 80) < 80  # muscle and organs
    assert not any(element.tag.is_private for element in slices[0])


def test_the_seg_sits_on_the_bodies(sound: Path) -> None:
    seg = pydicom.dcmread(sound / "series" / "P0002" / "seg.dcm")
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == ["L1", "L2", "L3", "L4"]
    codes = [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in seg.SegmentSequence]
    assert codes == ["66794005", "14293000", "36470004", "11994002"]
    ct = {ds.SOPInstanceUID: ds for ds in read_series(sound / "series" / "P0002")}
    z: dict[int, list[float]] = {1: [], 2: [], 3: [], 4: []}
    values = []
    for mask, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = ct[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        z[number].append(float(source.ImagePositionPatient[2]))
        values.append(source.pixel_array[mask > 0].mean() - 1024)
    means = [np.mean(z[k]) for k in (1, 2, 3, 4)]
    assert means == sorted(means, reverse=True)
    assert all(28 < a - b < 48 for a, b in itertools.pairwise(means))  # one level apart
    assert np.mean(values) > 90  # bone, not soft tissue


def test_every_defect_is_where_the_truth_says(broken: Path) -> None:
    found = truth(broken)
    for name, row in found.items():
        assert row["expected_code"] == DEFECTS[name]
        assert Code(row["expected_code"])

    def folder(defect: str) -> Path:
        return broken / "series" / found[defect]["patient_id"]

    gap = np.diff([float(ds.ImagePositionPatient[2]) for ds in read_series(folder("slice_missing"))])
    assert gap.max() == pytest.approx(2 * np.median(gap), rel=1e-3)
    wrong = read_series(folder("spacing_wrong"))
    step = float(wrong[1].ImagePositionPatient[2]) - float(wrong[0].ImagePositionPatient[2])
    assert abs(float(wrong[0].SpacingBetweenSlices) - step) > 0.3 * step
    tilted = read_series(folder("gantry_tilt"))[0]
    assert tilted.ImageOrientationPatient[5] == pytest.approx(np.sin(np.deg2rad(14.0)), abs=1e-4)
    assert read_series(folder("modality_conflict"))[0].Modality == "MR"
    uids = [ds.SOPInstanceUID for ds in read_series(folder("duplicate_uid"))]
    assert len(uids) - len(set(uids)) == 1
    assert read_series(folder("contrast_by_tag"))[0].ContrastBolusAgent
    silent = read_series(folder("contrast_by_image"))[0]
    assert "ContrastBolusAgent" not in silent
    assert "VNC" in read_series(folder("virtual_non_contrast"))[0].ImageType
    assert read_series(folder("vendor_unknown"))[0].Manufacturer == "Phantomworks Imaging"
    sizes = [path.stat().st_size for path in (folder("file_truncated") / "ct").glob("*.dcm")]
    assert min(sizes) < 0.5 * max(sizes)
    assert not folder("ct_missing").exists()
    scout = pydicom.dcmread(folder("localizer") / "scout" / "IM0001.dcm")
    assert "LOCALIZER" in scout.ImageType
    with pytest.raises(InvalidDicomError):
        pydicom.dcmread(folder("not_dicom") / "ct" / "readme.txt")


def test_dxa_table_carries_its_defects(broken: Path) -> None:
    found = truth(broken)
    with (broken / "dxa.csv").open() as source:
        rows = {row["patient_id"]: row for row in csv.DictReader(source)}
    assert found["dxa_missing"]["patient_id"] not in rows
    assert found["ct_missing"]["patient_id"] in rows
    assert rows[found["dxa_not_numeric"]["patient_id"]]["bmd_l1_l4_g_cm2"] == "n/a"
    device = rows[found["dxa_device_unknown"]["patient_id"]]["device"]
    assert "Hologic" not in device
    assert "Lunar" not in device


def test_enhanced_aorta_is_seen_only_where_planted(broken: Path, sound: Path) -> None:
    def brightest_lumen(folder: Path) -> float:
        slices = read_series(folder)
        image = slices[int(len(slices) * 0.7)].pixel_array - 1024.0
        rows = image[: image.shape[0] // 2]
        seg = np.sort(rows[(rows > 150) & (rows < 400)])
        return float(seg.size)

    planted = broken / "series" / truth(broken)["contrast_by_image"]["patient_id"]
    assert brightest_lumen(planted) > brightest_lumen(sound / "series" / "P0001")


def test_demo_plants_each_defect_and_leaves_most_patients_sound() -> None:
    params = load_section(ROOT / "params.yaml", "simulate", SimulateParams)
    plan = plan_defects(params.patients, params.seed, params.defects)
    assert set(plan.values()) == set(DEFECTS)
    assert 0.10 < len(plan) / params.patients < 0.20


def test_traffic_is_the_cohorts_ct_without_labels() -> None:
    params = small_params()
    study = simulate_study(4, SEED, "Philips", params)
    again = simulate_study(4, SEED, "Philips", params)
    assert np.array_equal(study.hu, again.hu)
    assert study.vendor == "Philips"
    assert study.hu.dtype == np.int16
    for level in ("L1", "L2", "L3", "L4"):
        s, r, k = np.rint(np.linalg.inv(study.affine) @ np.array([*study.centres_mm[level], 1.0]))[:3].astype(
            int
        )
        assert study.hu[s, r - 3 : r + 4, k - 3 : k + 4].mean() > 40  # inside a vertebral body
        assert study.axes[level] @ study.axes[level].T == pytest.approx(np.eye(3), abs=1e-9)


def test_what_is_no_folder_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("kept")
    with pytest.raises(CohortExistsError, match="is no folder"):
        simulate_cohort(patients=1, seed=SEED, out=file, params=small_params(), workers=1, overwrite=True)
    assert file.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [file]
