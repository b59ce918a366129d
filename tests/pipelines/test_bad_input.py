"""Bad input at the command line: clear lines, the right exit code, and what was good stays whole."""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from models.dxa_columns import DXA_COLUMNS
from tests.command_line import CT, EXAM, LEVELS_Z_MM, ROOT, one_line, osteogate, python
from tests.dicom_factory import UID_ROOT, make_series

# PatientID, which says what is wrong with the patient, and the code it must get
PLANTED = {
    "EMPTYVALUE": "DXA_VALUE_MISSING",
    "WORDVALUE": "DXA_VALUE_NOT_NUMERIC",
    "NOEXAM": "DXA_MISSING",
    "NOSCAN": "CT_MISSING",
    "TRUNCATED": "FILE_TRUNCATED",
    "MIXED": "MIXED_SERIES",
    "ACMESCAN": "VENDOR_UNKNOWN",
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------ one study


def empty(folder: Path) -> None:
    folder.mkdir()


def not_dicom(folder: Path) -> None:
    folder.mkdir()
    (folder / "report.txt").write_text("no DICOM file at all\n")


def truncated(folder: Path) -> None:
    path = make_series(folder, **CT)[3]
    path.write_bytes(path.read_bytes()[:-100])


def mixed(folder: Path) -> None:
    make_series(folder, **CT, per_slice={3: {"PatientID": "SOMEBODY-ELSE"}})


def unknown_vendor(folder: Path) -> None:
    make_series(folder, **CT, Manufacturer="ACME")


@pytest.mark.parametrize(
    ("make", "code", "found"),
    [
        (empty, "EMPTY_INPUT", "no file"),
        (not_dicom, "NOT_DICOM", "1 x file"),
        (truncated, "FILE_TRUNCATED", "1"),
        (mixed, "MIXED_SERIES", "1"),
        (unknown_vendor, "VENDOR_UNKNOWN", "ACME"),
    ],
)
def test_predict_refuses_what_it_cannot_answer(
    make: Callable[[Path], None], code: str, found: str, site: Site, tmp_path: Path
) -> None:
    make(tmp_path / "ct")
    (tmp_path / "figure.png").write_bytes(b"of another study")
    figure = () if make in (mixed, unknown_vendor) else ("--figure", tmp_path / "figure.png")
    done = osteogate(
        "predict", tmp_path / "ct", "--levels", site.levels, *figure, "--json", home=tmp_path / "home"
    )
    assert done.returncode == 3
    refusals = {item["code"]: item for item in json.loads(done.stdout)["refusals"]}
    assert set(refusals) == {code}
    assert found in refusals[code]["found"]
    assert refusals[code]["action"] in one_line(done)
    assert "SOMEBODY-ELSE" not in done.stderr + done.stdout
    assert (tmp_path / "figure.png").read_bytes() == b"of another study"
    assert not (tmp_path / "home" / "prediction_log.db").exists()


def test_a_triton_that_was_killed_is_a_missing_service(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"127.0.0.1:{server.getsockname()[1]}"
    image = site.folder / "series" / "SOUND"
    done = osteogate("predict", image, "--levels", site.levels, "--url", nobody, home=tmp_path)
    assert done.returncode == 5
    assert "osteogate serve start" in one_line(done)
    assert done.stdout == ""
    assert not (tmp_path / "prediction_log.db").exists()


# ------------------------------------------------------------------------------------------ a cohort


@dataclass(frozen=True)
class Site:
    """A site's cohort with one sound patient and every fault of `PLANTED`, validated."""

    folder: Path
    home: Path
    out: Path
    levels: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("bad")
    folder = root / "cohort"
    (folder / "levels").mkdir(parents=True)
    (folder / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site"}))
    changes = {
        "MIXED": {"per_slice": {3: {"PatientID": "SOMEBODY-ELSE"}}},
        "ACMESCAN": {"Manufacturer": "ACME"},
    }
    for number, patient in enumerate(["SOUND", *PLANTED], start=1):
        table = "level,x_mm,y_mm,z_mm\n" + "".join(f"{name},0,0,{z}\n" for name, z in LEVELS_Z_MM.items())
        (folder / "levels" / f"{patient}.csv").write_text(table)
        if patient != "NOSCAN":
            more = changes.get(patient, {})
            files = make_series(
                folder / "series" / patient, **CT, series=number, study=number, patient_id=patient, **more
            )
        if patient == "TRUNCATED":
            files[5].write_bytes(files[5].read_bytes()[:-100])
    values = {"EMPTYVALUE": {"bmd_l2_g_cm2": ""}, "WORDVALUE": {"bmd_l1_l4_g_cm2": "n/a"}}
    with (folder / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        for patient in ["SOUND", *PLANTED]:
            if patient != "NOEXAM":
                writer.writerow({**EXAM, "patient_id": patient, **values.get(patient, {})})
    done = osteogate("validate", folder, "--out", root / "out", "--json", home=root / "home")
    return Site(folder, root / "home", root / "out", folder / "levels" / "SOUND.csv", done)


def test_validate_quarantines_each_fault_with_its_code_and_ends_well(site: Site) -> None:
    assert site.done.returncode == 0, site.done.stderr
    found = json.loads(site.done.stdout)
    assert found["counts"]["patients_accepted"] == 1
    assert set(PLANTED.values()) <= set(found["codes"])
    page = (site.out / "report" / "summary.html").read_text()
    for code in PLANTED.values():
        assert code in page


def test_no_page_or_table_of_it_names_a_patient_or_a_uid(site: Site) -> None:
    for path in [*(site.out / "report").rglob("*"), *(site.out / "intake").glob("*.parquet")]:
        if path.is_file():
            text = (
                pd.read_parquet(path).to_csv()
                if path.suffix == ".parquet"
                else path.read_text(errors="replace")
            )
            assert _identifiers(text) == set(), path
    # the one place where they belong, which shows that they would be seen
    assert _identifiers((site.out / "intake" / "locations.json").read_text()) >= {"SOUND", UID_ROOT}


def _identifiers(text: str) -> set[str]:
    known = (*PLANTED, "SOUND", "SOMEBODY-ELSE", UID_ROOT)
    return {name for name in known if re.search(rf"\b{re.escape(name)}\b", text)}


def test_a_cohort_without_files_is_refused_and_the_old_report_stays(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cohort" / "series").mkdir(parents=True)
    for name in ("cohort.json", "dxa.csv"):
        (tmp_path / "cohort" / name).write_bytes((site.folder / name).read_bytes())
    report = tmp_path / "out" / "report"
    report.mkdir(parents=True)
    (report / "summary.html").write_text("of last week")
    done = osteogate("validate", tmp_path / "cohort", "--out", tmp_path / "out", home=tmp_path / "home")
    assert done.returncode == 3
    assert "EMPTY_INPUT" in one_line(done)
    assert content(report) == {"summary.html": b"of last week"}


# ------------------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("train", {"epochs": 0}, ("train.epochs", "greater than or equal to 1")),
        ("validate", {"kvp_minn": 80}, ("validate.kvp_minn", "accepted keys")),
        ("trian", {"epochs": 1}, ("trian", "accepted: simulate")),
    ],
)
def test_wrong_parameters_stop_a_run_before_it_begins(
    section: str, change: dict[str, int], said: tuple[str, str], tmp_path: Path
) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document[section] = {**document.get(section, {}), **change}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "pyproject.toml").write_text("")
    done = osteogate("run", root=tmp_path, home=tmp_path / "home")
    assert done.returncode == 2
    for words in said:
        assert words in one_line(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "pyproject.toml"]


# ------------------------------------------------------------------------------------------ disk and ports

STEP = """
import json, resource, sys
from types import SimpleNamespace
from components.prepare_vertebrae.component import prepare_vertebrae
arguments, artifacts, limit = json.loads(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
prepare_vertebrae.python_func(
    **arguments, **{name: SimpleNamespace(path=path) for name, path in artifacts.items()}
)
"""


def test_a_full_disk_stops_the_crop_store_and_the_old_one_stays(site: Site, tmp_path: Path) -> None:
    """The step as KFP runs it; a file that may not grow stands for a disk that is full."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"]["split"]["absent_vendor"] = "warn"  # a handful of patients
    places = {
        "home": str(tmp_path / "home"), "mlflow_uri": "", "model_repository": "", "triton_environment": "",
        "triton_url": "", "prediction_log_url": "", "evidently_workspace": "",
        "site_key": str(site.home / "keys" / "site.key"),
    }  # fmt: skip
    arguments = {
        "data_path": str(site.folder), "data_version": "v1", "data_kind": "site", "site": json.dumps(places),
        "spec": json.dumps({"code": "c", "params": {"prepare": params["prepare"]}}),
    }  # fmt: skip
    artifacts = {
        "validated": str(site.out / "report"),
        "segmented": str(tmp_path / "segmented"),
        "store": str(tmp_path / "store"),
    }
    identity = tmp_path / "home" / "intake" / "v1"
    identity.mkdir(parents=True)
    shutil.copy(site.out / "intake" / "locations.json", identity)
    words = ("-c", STEP, json.dumps(arguments), json.dumps(artifacts))
    done = python(*words, 0)
    assert done.returncode == 0, done.stderr
    before = content(tmp_path / "store" / "crops")
    assert {"hu.npy", "index.parquet", "store.json"} == set(before)
    crop_bytes = 3 * 96 * 96 * 2
    done = python(*words, crop_bytes // 2, OSTEOGATE_STEP_RECORDS=tmp_path / "records")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("prepare:")]
    assert len(said) == 1
    assert "crop store not written" in said[0]
    assert "free disk space" in said[0]
    assert content(tmp_path / "store" / "crops") == before
    assert [path.name for path in (tmp_path / "store").iterdir() if path.name.startswith(".")] == []
    record = json.loads((tmp_path / "records" / "prepare.json").read_text())
    assert (record["state"], record["exit_code"]) == ("failed", 1)


@pytest.mark.integration
def test_a_taken_port_is_named_and_another_one_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        try:
            done = osteogate(
                "dashboard", "start", "--mlflow-port", taken, "--evidently-port", taken, home=tmp_path
            )
        finally:
            stopped = osteogate("dashboard", "stop", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"mlflow: port {taken} is taken, using " in done.stdout
    assert stopped.returncode == 0
    assert list((tmp_path / "servers").iterdir()) == []
