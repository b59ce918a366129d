"""Whose the images are is in no byte that the pipeline writes: identifiers planted everywhere, every file searched."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest

from components.ingest_dicom.locations import FILE_NAME
from components.ingest_dicom.multiframe import CONTRAST
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.run import run as ingest
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run as validate
from models.dxa_columns import DXA_COLUMNS
from models.params import load_section
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import Source
from pipelines.gateway.answer_log import prediction_row
from pipelines.gateway.inference import ask
from pipelines.gateway.preparation import prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from tests.command_line import CT, EXAM, LEVELS_Z_MM, ROOT, osteogate
from tests.dicom_factory import make_series
from tests.pipelines.gateway.stand_in_server import StandInServer
from tests.planted_identifiers import (
    KEPT,
    NAME,
    PATIENT_ID,
    found_in,
    plant_everywhere,
    plant_person,
    plant_private,
)

KEY = b"the secret of this site, 32 byte"
IDENTITY = (FILE_NAME,)  # whose each hash is: the one file that may say it, and stays in the intake folder


def write_cohort(folder: Path, patients: int) -> Path:
    """A site's cohort; each patient's name, number and dates wherever a header can hold them."""
    (folder / "levels").mkdir(parents=True)
    (folder / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site", "by": NAME}))
    table = "level,x_mm,y_mm,z_mm\n" + "".join(f"{name},0,0,{z}\n" for name, z in LEVELS_Z_MM.items())
    for number in range(patients):
        patient = f"{PATIENT_ID}-{number}"
        files = make_series(
            folder / "series" / f"{NAME}{number}",
            **CT,
            series=number,
            study=number,
            patient_id=patient,
            hu=40 + number,
        )
        for place, file in enumerate(files):
            dataset = pydicom.dcmread(file)
            plant_person(dataset)
            dataset.PatientID = patient
            if place == 0 and number == 0:
                # an agent would be one more reason to refuse the series, and its name is no secret of the patient's
                plant_everywhere(dataset, KEPT | set(CONTRAST))
            else:
                plant_private(dataset)
            dataset.save_as(file)
        (folder / "levels" / f"{patient}.csv").write_text(table)
    (folder / "series" / f"letter to {NAME}.txt").write_text(f"Dear {NAME}")
    with (folder / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        for number in range(patients):
            values = {f"bmd_l{level}_g_cm2": f"{0.7 + 0.03 * number:.3f}" for level in (1, 2, 3, 4)}
            values |= {f"tbs_l{level}": f"{1.1 + 0.015 * number:.3f}" for level in (1, 2, 3, 4)}
            values["tbs_l1_l4"] = f"{1.1 + 0.015 * number:.3f}"
            writer.writerow({**EXAM, **values, "bmd_l1_l4_g_cm2": f"{0.7 + 0.03 * number:.3f}",
                             "patient_id": f"{PATIENT_ID}-{number}"})  # fmt: skip
        writer.writerow({**EXAM, "patient_id": "", "device": NAME, "exam_date": NAME, "sex": NAME})
    return folder


def section(name: str, model: type[Any]) -> Any:
    return load_section(ROOT / "params.yaml", name, model)


def through_preparation(cohort: Path, home: Path, split: dict[str, float]) -> Path:
    """Ingest, validate and prepare as the steps do; gives the crop store."""
    params = section("prepare", PrepareParams)
    params = params.model_copy(
        update={"split": params.split.model_copy(update={**split, "absent_vendor": "warn"})}
    )
    ingest(data=cohort, out=home / "intake", key=KEY, params=section("ingest", IngestParams))
    validate(
        intake=home / "intake", dxa_csv=cohort / "dxa.csv", out=home / "validated", key=KEY,
        params=section("validate", ValidateParams), data_kind="site", data_version="v1",
    )  # fmt: skip
    prepare(
        data=cohort, intake=home / "intake", accepted=home / "validated" / "accepted.parquet",
        out=home / "prepared", key=KEY, params=params, data_version="v1", data_kind="site", workers=1,
    )  # fmt: skip
    return home / "prepared" / "crops"


def answer_and_log(study: Path, level_file: Path, home: Path, folder: Path) -> None:
    """One study answered by a stand-in for Triton, and its row in the prediction log."""
    from models.decision import write_rules
    from tests.pipelines.gateway.stand_in_server import rules

    folder.mkdir()
    write_rules(rules(), folder / "decision.json")
    params = GatewayParams.load(ROOT / "params.yaml")
    key = Pseudonymiser(KEY)
    prepared = prepare_study(study, Stated(), params, key, level_file=level_file)
    answer = ask(prepared, StandInServer(folder), params.prepare)  # type: ignore[arg-type]
    row = prediction_row(answer, prepared, key, latency_ms=1.0, source=Source.PREDICT)
    PredictionLog(f"sqlite:///{home / 'prediction_log.db'}").append([row])
    (home / "answer.json").write_text(json.dumps(answer.as_dict()))
    (home / "answer.txt").write_text(answer.text())


def study_of(cohort: Path) -> tuple[Path, Path]:
    """The second patient's series and level file."""
    return cohort / "series" / f"{NAME}1", cohort / "levels" / f"{PATIENT_ID}-1.csv"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("site") / "cohort", 3)


def test_no_table_page_crop_or_log_names_a_patient(
    cohort: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    through_preparation(cohort, home, {"train": 0.5, "validation": 0.2, "calibration": 0.2, "test": 0.1})
    answer_and_log(*study_of(cohort), home, tmp_path / "server")
    said = capfd.readouterr()
    (home / "output.txt").write_text(said.out + said.err)
    assert found_in(home, but=IDENTITY) == []
    assert found_in(home), "locations.json holds them, which shows that they would be found"
    assert {path.suffix for path in home.rglob("*")} >= {".parquet", ".npy", ".png", ".html", ".json", ".db"}


def test_the_command_line_names_nobody_in_what_it_says_and_writes(cohort: Path, tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    done = osteogate("validate", cohort, "--out", out, home=home)
    assert done.returncode == 0, done.stderr
    refused = osteogate("predict", cohort / "series", home=home)
    assert refused.returncode == 3
    copied = osteogate("deidentify", cohort, tmp_path / "copy", "--json", home=home)
    assert copied.returncode == 0, copied.stderr
    counts = json.loads(copied.stdout)
    assert counts["files_read"] == counts["dicom_copied"] + counts["tables_copied"] + counts["files_refused"]
    words = done.stdout + done.stderr + refused.stdout + refused.stderr + copied.stdout + copied.stderr
    # a path that was typed is printed as typed; nothing else may name anybody
    (out / "output.txt").write_text(words.replace(str(cohort), "COHORT"))
    assert found_in(out, but=IDENTITY) == []
    assert found_in(tmp_path / "copy") == []
    shutil.rmtree(home / "intake" / "deidentified")
    assert found_in(home, but=IDENTITY) == []


@pytest.mark.long  # what comes in by `ingest` goes through it in test_privacy_on_entry
def test_the_copy_goes_through_the_pipeline_as_the_originals_do(cohort: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert osteogate("deidentify", cohort, tmp_path / "copy", home=home).returncode == 0
    answers = [osteogate("validate", folder, "--json", home=home) for folder in (cohort, tmp_path / "copy")]
    assert [done.returncode for done in answers] == [0, 0], answers[1].stderr
    counts = [json.loads(done.stdout)["counts"] for done in answers]
    for name in (
        "series_accepted",
        "series_quarantined",
        "exams_accepted",
        "exams_quarantined",
        "patients_accepted",
    ):
        assert counts[0][name] == counts[1][name]
    import pandas as pd

    tables = [
        pd.read_parquet(home / "validation" / name / "report" / "accepted.parquet").drop(
            columns=["series", "model"]
        )
        for name in ("cohort", "copy")
    ]
    pd.testing.assert_frame_equal(*tables)
