"""What a reader would leave out is drawn as published, seen in the image, recorded, and left out by the DXA."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY
from components.ingest_dicom.run import run as ingest
from components.simulate_cohort import mineral_field
from components.simulate_cohort.dxa_exam import examine
from components.simulate_cohort.findings import Findings, Fracture, draw_findings
from components.simulate_cohort.mineral_field import build_field
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient import draw_patient
from components.simulate_cohort.simulate import simulate_cohort
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run as validate
from components.validate_dicom.tables import read_quarantine
from models.levels import LEVELS
from models.params import load_section
from tests.components.simulate_cohort.test_anatomy import quiet_image, voxel_places_mm

SEED = 11
ROOT = Path(__file__).parents[3]
WEDGE = Fracture("wedge", 0.40, 0.25, 0.05)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[float, float, Findings]]:
    patients = [draw_patient(index, SEED) for index in range(4000)]
    return [(p.age_years, p.vbmd_mg_cc, draw_findings(p)) for p in patients]


def test_fractures_are_as_common_as_in_the_elderly_and_follow_low_density(
    drawn: list[tuple[float, float, Findings]],
) -> None:
    old = [(vbmd, bool(found.fractures)) for age, vbmd, found in drawn if age > 70]
    share = np.mean([broken for _, broken in old])
    assert 0.07 < share < 0.14  # about 10 % of the elderly
    young = np.mean([bool(found.fractures) for age, _, found in drawn if age < 60])
    assert young < share / 2
    middle = np.median([vbmd for vbmd, _ in old])
    low = np.mean([broken for vbmd, broken in old if vbmd < middle])
    high = np.mean([broken for vbmd, broken in old if vbmd >= middle])
    assert low > 1.5 * high
    worst = [max(f.front, f.middle, f.back) for _, _, found in drawn for f in found.fractures.values()]
    assert min(worst) > 0.20  # Genant: a fifth of the height is a fracture


def test_metal_and_scoliosis_are_as_common_as_specified(drawn: list[tuple[float, float, Findings]]) -> None:
    metal = np.mean([bool(found.screws or found.cement) for _, _, found in drawn])
    assert 0.02 < metal < 0.04  # 3 %: three standard errors of 4,000 are 0.8 %
    assert 0.02 < np.mean([found.cobb_deg != 0 for _, _, found in drawn]) < 0.07
    assert all(10 < abs(found.cobb_deg) < 45 for _, _, found in drawn if found.cobb_deg)
    assert all(len(found.screws) in (0, 2) for _, _, found in drawn)


def test_a_wedged_body_is_lower_in_front_not_behind_and_denser() -> None:
    patient = draw_patient(8, SEED)

    def heights_and_hu(findings: Findings) -> tuple[float, float, float]:
        field = build_field(patient, findings)
        image = quiet_image(field, matrix=160)
        body = field.stack.vertebrae["L3"]
        x, y, _ = voxel_places_mm(image)
        middle = np.abs(x - body.centre_mm[0]).argmin()
        marks = image.labels[:, :, middle] == LEVELS.index("L3") + 1
        front, behind = (
            float(marks[:, np.abs(y - body.centre_mm[1] - place).argmin()].sum())
            for place in (-0.75 * body.half_mm[1], 0.70 * body.half_mm[1])
        )
        core = (image.labels == LEVELS.index("L3") + 1) & (image.hu < 400)
        return front, behind, float(image.hu[core].mean())

    whole, broken = heights_and_hu(Findings()), heights_and_hu(Findings(fractures={"L3": WEDGE}))
    slice_mm, height_mm = 3.0, 28.0
    assert (whole[0] - broken[0]) * slice_mm > 0.2 * height_mm
    assert abs(whole[1] - broken[1]) * slice_mm < 0.2 * height_mm
    assert broken[2] > whole[2] + 15


@pytest.mark.parametrize(
    ("findings", "metal"),
    [
        (Findings(screws=("L3", "L4")), True),
        (Findings(cement=("L2",)), True),
        (Findings(fractures={"L2": WEDGE}), False),
    ],
)
def test_metal_is_in_the_images_of_metal_patients_only(findings: Findings, metal: bool) -> None:
    field = build_field(draw_patient(9, SEED), findings)
    image = quiet_image(field, matrix=160)
    assert (int((image.hu > 2000).sum()) > 100) == metal
    assert int((image.hu > 2000).sum()) == 0 or metal
    if not metal:
        return
    z = voxel_places_mm(image)[2]
    held = z[(image.hu > 2000).any(axis=(1, 2))]
    for level in (*findings.screws, *findings.cement):
        body = field.stack.vertebrae[level]
        assert np.abs(held - body.centre_mm[2]).min() < 4.0
    far = field.stack.vertebrae["T12" if findings.screws else "L5"].centre_mm[2]
    assert np.abs(held - far).min() > 20.0


def test_the_technologist_leaves_out_exactly_the_levels_with_a_finding() -> None:
    patient = draw_patient(4, SEED)
    findings = Findings(fractures={"T12": WEDGE, "L1": WEDGE}, cement=("L3",), cobb_deg=25.0)
    field = build_field(patient, findings)
    row = examine(field, "P0005", date(2024, 1, 1), None).row
    flagged = {level for level in LEVELS if row[f"invalid_{level.lower()}"] == "1"}
    assert flagged - {"L4"} == {"L1", "L3"}  # L4 may be left out for degeneration
    for level in ("l1", "l3"):
        assert row[f"bmd_{level}_g_cm2"] == row[f"tbs_{level}"] == ""
    assert row["bmd_l2_g_cm2"] != ""
    # ISCD: the total is that of the levels left, so it lies between them
    left = [float(row[f"bmd_{level.lower()}_g_cm2"]) for level in LEVELS if level not in flagged]
    assert min(left) - 0.002 <= float(row["bmd_l1_l4_g_cm2"]) <= max(left) + 0.002
    assert [entry[:2] for entry in findings.rows()] == [
        ("T12", "fracture_wedge"), ("L1", "fracture_wedge"), ("L3", "cement"), ("spine", "scoliosis"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five patients with chosen findings: none, one level, all but one, all four, a curve."""
    crush = Fracture("crush", 0.3, 0.3, 0.25)
    chosen = [
        Findings(),
        Findings(screws=("L2", "L3")),
        Findings(fractures={"L1": WEDGE, "L2": WEDGE, "L4": crush}),
        Findings(fractures={"L1": WEDGE, "L2": WEDGE}, screws=("L3", "L4")),
        Findings(cobb_deg=-35.0),
    ]
    params = SimulateParams(
        patients=5, seed=31, matrix=160, pixel_spacing_mm=(0.95, 1.0), vendor_mix={"GE": 1.0, "Canon": 1.0},
        rle_share=0.0, defects={},
    )  # fmt: skip
    out = tmp_path_factory.mktemp("findings") / "cohort"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mineral_field, "draw_findings", lambda patient: chosen[patient.index])
        simulate_cohort(patients=5, seed=31, out=out, params=params, workers=1)
    return out


def test_findings_recorded_are_the_flags_of_the_dxa_table(cohort: Path) -> None:
    with (cohort / "truth" / "findings.csv").open() as source:
        found = [row for row in csv.DictReader(source) if row["level"] in LEVELS]
    with (cohort / "dxa.csv").open() as source:
        exams = list(csv.DictReader(source))
    flags = {
        (e["patient_id"], level) for e in exams for level in LEVELS if e[f"invalid_{level.lower()}"] == "1"
    }
    empty = {
        (e["patient_id"], level) for e in exams for level in LEVELS if e[f"bmd_{level.lower()}_g_cm2"] == ""
    }
    recorded = {(row["patient_id"], row["level"]) for row in found}
    assert empty == recorded
    assert recorded <= flags
    assert {level for _, level in flags - recorded} <= {"L4"}  # severe degeneration
    assert len(recorded) == 2 + 3 + 4


def test_patients_with_too_few_levels_are_named_and_the_counts_add_up(cohort: Path, tmp_path: Path) -> None:
    ingest(data=cohort, out=tmp_path / "intake", key=SIMULATED_KEY, params=IngestParams(workers=1))
    summary = validate(
        intake=tmp_path / "intake", dxa_csv=cohort / "dxa.csv", out=tmp_path / "out", key=SIMULATED_KEY,
        params=load_section(ROOT / "params.yaml", "validate", ValidateParams), data_kind="simulated",
        data_version="test",
    )  # fmt: skip
    codes = read_quarantine(tmp_path / "out").groupby("patient")["code"].agg(set).tolist()
    assert sorted(map(sorted, codes)) == [["DXA_MISSING", "DXA_VALUE_MISSING"], ["LEVELS_TOO_FEW"]]
    counts = summary.counts
    assert counts["series_accepted"] + counts["series_quarantined"] == counts["series_read"] == 5
    assert counts["exams_accepted"] + counts["exams_quarantined"] == counts["exams_read"] == 5
    assert counts["patients_accepted"] == 3
