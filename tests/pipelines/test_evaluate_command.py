"""`osteogate evaluate`: what is no model or no data is said in a line; DICOM is judged, refused and counted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from components.train_resnet50.registry import register, set_alias
from models.artefact import save_model
from models.decision import (
    SCHEMA_VERSION,
    Cutoffs,
    DecisionRules,
    Geometry,
    Reference,
    Versions,
    read_rules,
    write_rules,
)
from models.dxa_columns import DXA_COLUMNS
from models.seen_patients import write_seen_patients
from models.train_params import TrainParams
from models.training import fit
from pipelines.cli.evaluate import default_folder
from pipelines.workspace import Workspace
from tests.command_line import CT, EXAM, LEVELS_Z_MM, ROOT, one_line, osteogate
from tests.crop_store_factory import make_store
from tests.dicom_factory import make_series

PATIENTS = 8
SLICES_Z_MM = np.arange(-300.0, -120.0, 3.0)  # of CT
BODY_MM = 28.0  # from endplate to endplate


def _cohort(folder: Path) -> Path:
    """Eight patients of brighter and brighter bone, one without DXA and one scanned by an unknown vendor besides."""
    (folder / "levels").mkdir(parents=True)
    (folder / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site"}))
    rows = []
    rng = np.random.default_rng(0)
    for number in range(PATIENTS + 2):
        patient = f"PAT-{number}"
        table = "level,x_mm,y_mm,z_mm\n" + "".join(f"{name},0,0,{z}\n" for name, z in LEVELS_Z_MM.items())
        (folder / "levels" / f"{patient}.csv").write_text(table)
        hu = (50 + 10 * rng.standard_normal((60, 80, 80))).astype(np.int16)
        for body in np.abs(SLICES_Z_MM[:, None] - list(LEVELS_Z_MM.values())).T <= BODY_MM / 2:
            hu[body, 25:55, 25:55] += 20 * (number + 1)  # bone is brighter; discs and soft tissue are not
        vendor = {"Manufacturer": "ACME"} if number == PATIENTS + 1 else {}
        make_series(
            folder / "series" / patient,
            **CT,
            hu=hu,
            series=number + 1,
            study=number + 1,
            patient_id=patient,
            **vendor,
        )
        if number != PATIENTS:
            bmd, tbs = f"{0.7 + 0.06 * number:.3f}", f"{1.2 + 0.03 * number:.3f}"
            totals = {"bmd_l1_l4_g_cm2": bmd, "tbs_l1_l4": tbs}
            levels = {f"bmd_l{n}_g_cm2": bmd for n in range(1, 5)} | {f"tbs_l{n}": tbs for n in range(1, 5)}
            rows.append({**EXAM, "patient_id": patient, **totals, **levels})
    with (folder / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_what_is_no_data_or_no_model_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "cohort.json").write_text("{}")
    nothing = osteogate("evaluate", "--data", tmp_path, home=tmp_path / "home")
    assert nothing.returncode == 3
    assert "osteogate cohort template" in one_line(nothing)
    for words, said in (
        (("--model", "nobody"), "neither an alias nor a version"),
        (("--model", tmp_path), "no model folder"),
        ((), "'champion'"),
    ):
        done = osteogate("evaluate", "--data", tmp_path / "cohort", *words, home=tmp_path / "home")
        assert done.returncode == 3, done.stderr
        assert said in one_line(done)
        assert done.stdout == ""
    assert not (tmp_path / "home" / "mlflow.db").exists()  # asking makes no registry


def test_data_of_one_name_and_two_models_share_no_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    for name, version in (("a", "0123456789abcdef"), ("b", "fedcba9876543210")):
        make_store(tmp_path / name / "crops", patients=10, offsets_mm=(0.0,), data_version=version)
    folders = [
        default_folder(tmp_path / name / "crops", workspace, weights * 8)
        for name in ("a", "b")
        for weights in ("11223344", "55667788")
    ]
    assert [folder.name for folder in folders] == [
        "crops-01234567-11223344",
        "crops-01234567-55667788",
        "crops-fedcba98-11223344",
        "crops-fedcba98-55667788",
    ]
    assert {folder.parent for folder in folders} == {tmp_path / "home" / "evaluations"}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_registered_model_is_judged_on_a_sites_dicom(tmp_path: Path) -> None:
    store = make_store(
        tmp_path / "store",
        patients=60,
        pixels=32,
        offsets_mm=(0.0,),
        split_of_ten=("train",) * 6 + ("validation",) + ("calibration",) * 3,
    )
    params = TrainParams(arch="resnet18", epochs=1, batch=16, precision="fp32", device="cpu", threads=1)
    card = save_model(fit(store, params), tmp_path / "model", git_commit=None)
    write_seen_patients(store.index, tmp_path / "model")
    _rules(tmp_path / "model" / "decision.json", card.weights_sha256)
    root, home = _workspace(tmp_path / "root"), tmp_path / "home"
    home.mkdir()
    uri = f"sqlite:///{home / 'mlflow.db'}"
    set_alias(uri, "osteogate", "champion", register(tmp_path / "model", uri, {}))
    cohort = _cohort(tmp_path / "cohort")
    words = ("evaluate", "--data", cohort, "--out", tmp_path / "out")
    done = osteogate(*words, "--json", home=home, root=root, timeout_s=500)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["test_looks"] == 1
    assert told["model"].startswith("osteogate version 1")
    assert told["judged"] == "all patients"
    assert told["counts"]["series_read"] == PATIENTS + 2
    assert (
        told["counts"]["series_accepted"] == told["report"]["counts"]["judged_patients"]["test"] == PATIENTS
    )
    assert {"DXA_MISSING", "VENDOR_UNKNOWN"} <= set(told["refused_by_code"])
    rules = read_rules(tmp_path / "model" / "decision.json")
    assert told["report"]["frozen"]["bmd_half_width_g_cm2"] == rules.bmd_half_width_g_cm2
    assert "PAT-3" not in (tmp_path / "out" / "report.html").read_text()
    assert "PAT-3" not in set(pd.read_parquet(tmp_path / "out" / "predictions.parquet")["patient"])
    again = osteogate(*words, "--model", "1", home=home, root=root, timeout_s=500)
    assert again.returncode == 0, again.stderr
    assert "this site's own patients" in again.stdout
    assert "looks at these test patients, this one included: 2" in again.stdout
    assert "refused DXA_MISSING: 1" in again.stdout


def _workspace(root: Path) -> Path:
    """A workspace of few resamples."""
    root.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["evaluate"]["bootstrap_draws"] = 100
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (root / "pyproject.toml").write_text("")
    return root


def _rules(path: Path, weights_sha256: str) -> None:
    """Rules as an evaluation would have frozen them."""
    write_rules(
        DecisionRules(
            schema_version=SCHEMA_VERSION,
            data_kind="simulated",
            cutoffs=Cutoffs(osteopenia_bmd_g_cm2=0.94, osteoporosis_bmd_g_cm2=0.8, impaired_tbs=1.3),
            flag_on=("osteopenia", "osteoporosis", "impaired_tbs"),
            bmd_half_width_g_cm2=0.123,
            tbs_half_width=0.1,
            interval_coverage=0.9,
            reference=Reference("Hologic female L1-L4", 1.047, 0.11, -1.0, -2.5, 1.31),
            geometry=Geometry(32, 64.0, 3, 2.0, 6.0),
            versions=Versions("v", "c", "p", weights_sha256),
            vendors=("Siemens",),
            kvp_minimum=80.0,
            kvp_maximum=140.0,
        ),
        path,
    )
