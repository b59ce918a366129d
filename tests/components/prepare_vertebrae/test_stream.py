"""A streamed cohort is the cohort of DICOM files, to the byte, and survives whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import components.ingest_dicom.run
import components.prepare_vertebrae.run
import components.validate_dicom.run
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.prepare_vertebrae import stream_shards
from components.prepare_vertebrae.params import PrepareParams, SplitParams
from components.prepare_vertebrae.split import SplitError
from components.prepare_vertebrae.stream import stream_cohort
from components.prepare_vertebrae.stream_places import StreamRefusedError
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_summary import MANIFEST
from components.prepare_vertebrae.streamed_patient import StreamParams, stream_hash
from components.simulate_cohort.cohort_folder import CohortExistsError, CohortWriteError
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient_folder import patient_id
from components.simulate_cohort.simulate import simulate_cohort
from components.validate_dicom.params import ValidateParams
from models.crop_store import CropGeometry, open_crop_store
from models.params import load_section

ROOT = Path(__file__).resolve().parents[3]
SEED, PATIENTS = 909, 3
KEYED = ["patient", "series"]


def sections(**split: object) -> StreamParams:
    """The project's own parameters with small crops and a split of these numbers."""
    values = {"train": PATIENTS, "validation": 0, "calibration": 0, "test": 0, "salt": "x", **split}
    prepare = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    geometry = CropGeometry(pixels=32, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)
    return StreamParams(
        ingest=load_section(ROOT / "params.yaml", "ingest", IngestParams).model_copy(update={"workers": 1}),
        validate=load_section(ROOT / "params.yaml", "validate", ValidateParams),
        prepare=prepare.model_copy(update={"geometry": geometry, "split": SplitParams(**values)}),  # type: ignore[arg-type]
    )


def small() -> SimulateParams:
    """As params.yaml says, with fewer pixels."""
    own = load_section(ROOT / "params.yaml", "simulate", SimulateParams)
    return own.model_copy(update={"matrix": 160, "pixel_spacing_mm": (0.8, 0.95), "defects": {}})


def plan_of(patients: int = PATIENTS, **split: object) -> StreamPlan:
    return StreamPlan(patients, SEED, small(), sections(**split), replace_refused=False)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("streamed") / "cohort"
    stream_cohort(plan_of(), out, workers=1)
    return out


@pytest.fixture(scope="module")
def by_dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same patients through DICOM files, ingestion, validation and preparation."""
    root = tmp_path_factory.mktemp("dicom")
    plan = plan_of()
    simulate_cohort(patients=PATIENTS, seed=SEED, out=root / "data", params=small(), workers=1)
    params = plan.params
    components.ingest_dicom.run.run(
        data=root / "data", out=root / "intake", key=SIMULATED_KEY, params=params.ingest
    )
    common = {"key": SIMULATED_KEY, "data_kind": "simulated", "data_version": "x"}
    components.validate_dicom.run.run(
        intake=root / "intake",
        dxa_csv=root / "data" / "dxa.csv",
        out=root / "validated",
        params=params.validate.model_copy(update={"series_per_vendor_min": 0}),
        **common,  # type: ignore[arg-type]
    )
    components.prepare_vertebrae.run.run(
        data=root / "data",
        intake=root / "intake",
        accepted=root / "validated" / "accepted.parquet",
        out=root / "prepared",
        only_split="train",
        params=params.prepare,
        workers=1,
        **common,  # type: ignore[arg-type]
    )
    return root / "prepared"


def same_patients(store: Path, names: dict[str, str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Index with patients by number instead of hash, in a fixed order, and the pixels in that order."""
    opened = open_crop_store(store)
    index = opened.index.assign(patient=opened.index["patient"].map(names))
    index = index.sort_values(["patient", "level", "lateral_offset_mm"])
    return index.drop(columns="series").reset_index(drop=True), np.asarray(opened.hu)[index.index]


def test_streamed_crops_and_rows_are_those_of_dicom_files(streamed: Path, by_dicom: Path) -> None:
    numbers = [patient_id(index) for index in range(PATIENTS)]
    of_stream = {stream_hash(index, SEED): name for index, name in enumerate(numbers)}
    of_dicom = {Pseudonymiser(SIMULATED_KEY).patient(name): name for name in numbers}
    index, hu = same_patients(streamed / "crops", of_stream)
    expected_index, expected_hu = same_patients(by_dicom / "crops", of_dicom)
    assert len(index) >= 3 * 2 * (PATIENTS - 1)
    pd.testing.assert_frame_equal(index, expected_index, check_exact=True)
    assert hu.tobytes() == expected_hu.tobytes()


def test_what_is_left_out_is_left_out_for_the_same_reasons(streamed: Path, by_dicom: Path) -> None:
    def reasons(folder: Path) -> list[tuple[str, str]]:
        table = pd.read_parquet(folder / "refused.parquet")
        return sorted(zip(table["level"], table["code"], strict=True))

    stores = [len(set(open_crop_store(folder / "crops").index["patient"])) for folder in (streamed, by_dicom)]
    assert stores[0] == stores[1]
    of_levels = [entry for entry in reasons(streamed) if entry[0]]
    assert of_levels == [entry for entry in reasons(by_dicom) if entry[0]]


def test_truth_is_keyed_by_the_patients_of_the_store(streamed: Path) -> None:
    index = open_crop_store(streamed / "crops").index
    latents = pd.read_parquet(streamed / "latents.parquet").set_index("patient")
    assert set(latents.index) == set(index["patient"])
    assert latents.index.is_unique
    assert latents["vbmd_mg_cc"].dtype == np.float64
    # the label is a scan's own value, rounded to 0.001 (on a Lunar's scale, 0.906 of that)
    joined = index.drop_duplicates("patient").set_index("patient").join(latents, rsuffix="_truth")
    assert (joined["bmd_l1_l4_g_cm2"] - joined["hologic_bmd_l1_l4_g_cm2"]).abs().max() < 0.00065


@pytest.mark.long
def test_the_result_does_not_depend_on_workers_or_interruption(tmp_path: Path) -> None:
    plan, streamed, out = plan_of(5, train=5), tmp_path / "whole", tmp_path / "cohort"
    stream_cohort(plan, streamed, workers=1)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_cohort(plan, out, workers=1, progress=stop)
    assert not out.exists()
    (kept,) = tmp_path.glob(".cohort.*.partial")
    finished = sorted(kept.glob("shards/*/*.npz"))
    assert len(finished) == 1
    written = finished[0].stat().st_mtime_ns
    seen: list[int] = []
    torn = kept / "shards" / "00" / "000004.npz"
    torn.write_bytes(b"torn by a power cut")

    def watch(done: int, total: int) -> None:
        seen.append(finished[0].stat().st_mtime_ns)

    stream_cohort(plan, out, workers=2, progress=watch)
    assert set(seen) == {written}  # not simulated again
    assert not list(tmp_path.glob(".cohort*"))
    for name in ("crops/hu.npy", "crops/index.parquet", "crops/store.json", "latents.parquet", MANIFEST):
        assert (out / name).read_bytes() == (streamed / name).read_bytes(), name


def test_refused_patients_are_replaced_on_the_same_vendors_scanner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patients 1 and 4 (the first spare) are refused: their place goes to the next one, vendor and split kept."""
    real = stream_shards.stream_patient

    def refusing(task, split, params):  # type: ignore[no-untyped-def]
        made = real(task, split, params)
        if task.index not in (1, 4):
            return made
        return replace(made, crops=made.crops[:0], rows=[], left_out=[("", "LEVELS_TOO_FEW", "one level")])

    monkeypatch.setattr(stream_shards, "stream_patient", refusing)
    plan = replace(plan_of(4, train=2, test=2), replace_refused=True)
    seen: list[tuple[int, int]] = []
    summary = stream_cohort(plan, tmp_path / "out", workers=1, progress=lambda *numbers: seen.append(numbers))
    store = open_crop_store(tmp_path / "out" / "crops")
    people = store.index.drop_duplicates("patient")
    assert list(people["patient"]) == [stream_hash(index, SEED) for index in (0, 5, 2, 3)]
    assert sorted(people["vendor"]) == sorted(task.vendor for task in plan.tasks())
    assert people["vendor"].iloc[1] == plan.tasks()[1].vendor
    assert summary.patients == {"train": 2, "validation": 0, "calibration": 0, "test": 2}
    assert summary.replaced == 2
    assert seen[-1] == (4, 4)
    refused = pd.read_parquet(tmp_path / "out" / "refused.parquet")
    whole = refused[refused["level"] == ""]
    assert list(whole["patient"]) == [stream_hash(1, SEED), stream_hash(4, SEED)]


def test_a_cohort_of_which_everybody_is_refused_says_why(tmp_path: Path) -> None:
    plan = replace(plan_of(1, train=1), replace_refused=True)
    strict = plan.params.validate.model_copy(update={"age_min_years": 109.0})
    plan = replace(plan, params=replace(plan.params, validate=strict))
    with pytest.raises(StreamRefusedError, match="AGE_UNDER_30"):
        stream_cohort(plan, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_wrong_numbers_and_filled_folders_are_refused_before_anything_is_simulated(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="add up to 4 patients"):
        stream_cohort(plan_of(train=4), tmp_path / "out", workers=1)
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CohortExistsError, match="not empty"):
        stream_cohort(plan_of(), tmp_path, workers=1)
    with pytest.raises(CohortExistsError, match="holds no streamed cohort"):
        stream_cohort(plan_of(), tmp_path, workers=1, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_disk_that_is_too_small_is_said_at_once(tmp_path: Path) -> None:
    huge = CropGeometry(pixels=512, size_mm=64.0, slices=15, slice_spacing_mm=2.0, centre_shift_mm=6.0)
    plan = plan_of(100_000, train=100_000)
    prepare = plan.params.prepare.model_copy(update={"geometry": huge})
    plan = replace(plan, params=replace(plan.params, prepare=prepare))
    with pytest.raises(CohortWriteError, match="No space left"):
        stream_cohort(plan, tmp_path / "out", workers=1)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom components.prepare_vertebrae.stream_pool import in_processes\n"
        "if __name__ == '__main__':\n    list(in_processes(time.sleep, [60.0] * 4, 2))\n"
    )
    file = tmp_path / "parent.py"
    file.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, str(file)], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while len(_group(parent.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(_group(parent.pid)) >= 3
        time.sleep(2.0)  # the workers are past their start
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        while _group(parent.pid) and time.monotonic() < deadline + 20:
            time.sleep(0.2)
        assert _group(parent.pid) == []
    finally:
        for pid in _group(parent.pid):
            os.kill(pid, signal.SIGKILL)


def _group(leader: int) -> list[int]:
    """Living processes of the session that `leader` started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue  # it ended meanwhile
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found
