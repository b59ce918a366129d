"""Whose the images are ends at the entrance: what `osteogate ingest` made, and all that is made of it, names nobody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from components.evaluate_model.run import run as evaluate
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.source import Source
from components.train_resnet50.run import run as train
from models.bone_reference import ScalesParams
from models.evaluation.settings import EvaluateParams
from models.train_params import TrainParams
from pipelines import intake_copy
from pipelines.intake_record import record_of
from pipelines.own_cohort import write_template
from pipelines.take_in import TakenIn, take_in
from tests.command_line import osteogate
from tests.dicom_factory import make_series, series_uid
from tests.pipelines.test_privacy import KEY, answer_and_log, section, through_preparation, write_cohort
from tests.planted_identifiers import NAME, PATIENT_ID, found_in, plant_person, write_in

SPLIT = {"train": 0.5, "validation": 0.2, "calibration": 0.2, "test": 0.1}


def taken(source: Path, cohort: Path, home: Path) -> TakenIn:
    write_template(cohort)
    return take_in(
        Source(str(source)),
        cohort,
        pseudonymiser=Pseudonymiser(KEY),
        params=IngestParams(workers=1),
        home=home,
        progress=lambda *_: None,
    )


def whose(home: Path) -> tuple[str, ...]:
    """The one kind of file that may say whose a pseudonym is; locations.json of a de-identified cohort may not."""
    return tuple(path.name for path in (home / "intake" / "taken-in").glob("*.jsonl"))


def second_study(cohort: Path) -> tuple[Path, Path]:
    """The second patient's series and level file."""
    key = Pseudonymiser(KEY)
    series, patient = key.uid(key.new_uid(series_uid(1))), key.new_patient_id(f"{PATIENT_ID}-1")
    return cohort / "series" / series, cohort / "levels" / f"{patient}.csv"


def test_nothing_that_is_made_of_what_came_in_names_a_patient(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write_cohort(tmp_path / "site" / f"of {NAME}", 3)
    cohort, home = tmp_path / "cohort", tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "site.key").write_bytes(KEY)
    done = osteogate("ingest", source, cohort, "--json", home=home)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["files"] == counts["copied"] + sum(counts["left"].values()) == 186
    assert counts["left"] == {"NOT_DICOM": 2}, "the letter, and the card"
    crops = through_preparation(cohort, home, SPLIT)
    key = Pseudonymiser(KEY)
    patients = {key.patient(f"{PATIENT_ID}-{number}") for number in range(3)}
    assert set(pd.read_parquet(crops / "index.parquet")["patient"]) == patients
    answer_and_log(*second_study(cohort), home, tmp_path / "server")
    said = capfd.readouterr()
    (home / "output.txt").write_text(said.out + said.err + done.stdout + done.stderr)
    assert found_in(cohort) == []
    assert found_in(home, but=whose(home)) == []
    assert found_in(home), "the record of whose the pseudonyms are shows that they would be found"
    assert {path.name for path in home.iterdir()} >= {"intake", "validated", "prepared", "prediction_log.db"}
    assert not (home / "retrieved").exists()
    assert list((home / "scratch").glob("*")) == []


@pytest.mark.long
def test_crops_and_splits_are_those_of_the_originals(tmp_path: Path) -> None:
    source, cohort = write_cohort(tmp_path / "source", 3), tmp_path / "cohort"
    taken(source, cohort, tmp_path / "home")
    made = []
    for folder in (source, cohort):
        home = tmp_path / f"of {folder.name}"
        home.mkdir()
        crops = through_preparation(folder, home, SPLIT)
        index = pd.read_parquet(crops / "index.parquet")
        made.append((np.load(crops / "hu.npy"), index[["patient", "level", "split"]]))
    (first, second), indices = (hu for hu, _ in made), [index for _, index in made]
    order = [index.sort_values(["patient", "level"]).index for index in indices]
    np.testing.assert_array_equal(first[order[0]], second[order[1]])
    one, other = (index.loc[rows].reset_index(drop=True) for index, rows in zip(indices, order, strict=True))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.2",
        pytest.param("1.2.840.10008.1.2", marks=pytest.mark.long),
        pytest.param("1.2.840.10008.1.2.1.99", marks=pytest.mark.long),
    ],
)
def test_from_an_archive_in_any_encoding_nobody_comes_through(syntax: str, tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "site" / "cohort", 1)
    for path in (source / "series").rglob("*.dcm"):
        write_in(syntax, path)
    archive = Path(shutil.make_archive(str(tmp_path / NAME), "zip", source.parent))
    cohort, home = tmp_path / "cohort", tmp_path / "home"
    assert taken(archive, cohort, home).copied == 62
    assert found_in(source), "the search reads this encoding"
    assert found_in(cohort) == []
    assert found_in(home, but=whose(home)) == []


def test_a_run_that_is_killed_leaves_nobody_in_the_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cohort, home = tmp_path / "source", tmp_path / "cohort", tmp_path / "home"
    for path in make_series(source, slices=4, patient_id=PATIENT_ID):
        dataset = pydicom.dcmread(path)
        plant_person(dataset)
        dataset.save_as(path)
    really, count = intake_copy.deidentify_file, 0

    def third(*what: object) -> None:
        nonlocal count
        really(*what)  # type: ignore[arg-type]
        count += 1
        if count == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(intake_copy, "deidentify_file", third)
    with pytest.raises(KeyboardInterrupt):
        taken(source, cohort, home)
    assert len([path for path in (cohort / "series").rglob("*") if path.is_file()]) == 3
    assert found_in(cohort) == []
    assert found_in(home, but=whose(home)) == []
    assert record_of(home, cohort, Pseudonymiser(KEY)).patients


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_byte_of_a_trained_and_judged_model_names_a_patient(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cohort, home = tmp_path / "cohort", tmp_path / "home"
    assert taken(write_cohort(tmp_path / "source", 28), cohort, home).series == 28
    store = through_preparation(cohort, home, {"train": 8, "validation": 4, "calibration": 10, "test": 6})
    uri = f"sqlite:///{home / 'mlflow.db'}"
    params = TrainParams(arch="resnet18", epochs=1, batch=16, threads=1, absent_vendor="warn")
    train(
        store=store, out=home / "model", params=params, mlflow_uri=uri, experiment="osteogate", run_name="r",
        git_commit=None,
    )  # fmt: skip
    evaluate(
        model=home / "model", store=store, out=home / "evaluation",
        params=section("evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100}),
        scales=section("scales", ScalesParams), look_log=home / "test_set_looks.jsonl",
    )  # fmt: skip
    answer_and_log(*second_study(cohort), home, tmp_path / "server")
    said = capfd.readouterr()
    (home / "output.txt").write_text(said.out + said.err)
    assert found_in(home, but=whose(home)) == []
    written = {path.name for path in home.rglob("*")}
    assert written >= {"mlflow.db", "weights.pt", "report.html", "test_set_looks.jsonl", "prediction_log.db"}
