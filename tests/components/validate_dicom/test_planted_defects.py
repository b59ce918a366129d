"""Every defect planted in a simulated cohort gets its code, and no sound series is held back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.run import run as ingest
from components.ingest_dicom.series_table import read_others_table
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.planned_defects import DEFECTS
from components.simulate_cohort.simulate import simulate_cohort
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run
from components.validate_dicom.tables import read_quarantine
from models.params import load_section

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"


@pytest.mark.long
def test_every_planted_defect_is_named_and_nothing_else(tmp_path: Path, params: ValidateParams) -> None:
    simulate = load_section(PARAMS_FILE, "simulate", SimulateParams)
    one_each = simulate.model_copy(update={"defects": dict.fromkeys(DEFECTS, 1 / 24)})
    simulate_cohort(patients=24, seed=77, out=tmp_path / "cohort", params=one_each)
    ingest(data=tmp_path / "cohort", out=tmp_path / "intake", key=SIMULATED_KEY, params=IngestParams())
    run(
        intake=tmp_path / "intake", dxa_csv=tmp_path / "cohort" / "dxa.csv", out=tmp_path / "out",
        key=SIMULATED_KEY, params=params, data_kind="simulated", data_version="test",
    )  # fmt: skip
    quarantine = read_quarantine(tmp_path / "out")
    others = set(read_others_table(tmp_path / "intake" / "others.parquet")["code"])
    truth = pd.read_csv(tmp_path / "cohort" / "truth" / "defects.csv", dtype=str, keep_default_na=False)
    assert set(truth["defect"]) == set(DEFECTS)
    patient = Pseudonymiser(SIMULATED_KEY).patient
    codes = quarantine.groupby("patient")["code"].agg(set).to_dict()
    missed = [
        row.defect
        for row in truth.itertuples()
        if row.expected_code not in codes.get(patient(row.patient_id), set()) | others
    ]
    assert missed == []
    assert set(codes) - {patient(name) for name in truth["patient_id"]} == set()
