"""Real patients through the online path up to the model server, which here is a stand-in and not Triton."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.ingest_dicom.pseudonym import Pseudonymiser
from models.decision import write_rules
from models.refusal import Code
from pipelines.gateway.figure import write_figure
from pipelines.gateway.inference import ask
from pipelines.gateway.preparation import PreparedStudy, prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from tests.pipelines.gateway.stand_in_server import StandInServer, rules

pytestmark = pytest.mark.real_ct
ROOT = Path(__file__).resolve().parents[2]
KEY = Pseudonymiser(b"a key of sixteen bytes or more")
RealData = Callable[[str], Path]


@pytest.fixture(scope="module")
def params() -> GatewayParams:
    return GatewayParams.load(ROOT / "params.yaml")


@pytest.fixture
def stand_in(tmp_path: Path) -> StandInServer:
    write_rules(rules(), tmp_path / "decision.json")
    return StandInServer(tmp_path)


def assert_boxes_hold_bodies(study: PreparedStudy) -> None:
    """In each crop bone lies left of the canal, and the canal is darker than the body and the arch behind."""
    for crop in study.crops:
        middle = crop.hu[1, 40:56].astype(float).mean(axis=0)  # rows at the height of the body centre
        body, canal = middle[26:46].mean(), middle[60:74].min()
        assert body > 90, crop.level.name
        assert canal < body - 30, crop.level.name


def test_the_ge_patient_is_answered_inside_validated_input(
    real_data: RealData, params: GatewayParams, stand_in: StandInServer, tmp_path: Path
) -> None:
    folder = real_data("ge_discovery_ls_lumbar")
    study = prepare_study(folder / "dicom", Stated(), params, KEY, level_file=folder / "levels.csv")
    assert study.refusals == ()
    assert [crop.level.name for crop in study.crops] == ["L1", "L2", "L3", "L4"]
    assert_boxes_hold_bodies(study)
    answer = ask(study, stand_in, params.prepare)
    assert answer.inside_validated_input
    assert (answer.acquisition.vendor, answer.acquisition.kvp, answer.age_years) == ("GE", 140.0, 49.0)
    assert answer.acquisition.slice_thickness_mm == 5.0
    assert "Z-score" in answer.text()
    write_figure(study, tmp_path / "figure.png")
    assert np.asarray(Image.open(tmp_path / "figure.png")).std() > 20


def test_the_label_map_patient_is_answered_as_outside_validated_input(
    real_data: RealData, params: GatewayParams, stand_in: StandInServer
) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    study = prepare_study(
        folder / "example_ct.nii.gz", Stated(kvp=120), params, KEY,
        level_file=folder / "totalseg.nii.gz", scheme="totalseg",
    )  # fmt: skip
    assert study.refusals == ()
    assert len(study.crops) == 4
    assert_boxes_hold_bodies(study)
    answer = ask(study, stand_in, params.prepare)
    assert not answer.inside_validated_input
    assert Code.CONTRAST_BY_TAG in answer.not_checked
    assert Code.PIXEL_SPACING_OUT_OF_RANGE in {refusal.code for refusal in answer.outside}  # 3 mm


def test_the_label_map_needs_its_scheme(real_data: RealData, params: GatewayParams) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    study = prepare_study(
        folder / "example_ct.nii.gz", Stated(kvp=120), params, KEY, level_file=folder / "totalseg.nii.gz"
    )
    assert [refusal.code for refusal in study.refusals] == [Code.LEVELS_UNREADABLE]


@pytest.mark.parametrize(
    ("levels", "code"), [(None, Code.LEVELS_MISSING), ("example_seg_dicom.nii.gz", Code.LEVELS_NOT_IN_VIEW)]
)
def test_the_enhanced_chest_patient_is_refused_with_every_code(
    real_data: RealData, params: GatewayParams, levels: str | None, code: Code
) -> None:
    folder = real_data("siemens_biograph_j2k_t11_t12")
    level_file = folder / levels if levels else None
    study = prepare_study(folder / "dicom", Stated(), params, KEY, level_file=level_file, scheme="totalseg")
    codes = {refusal.code for refusal in study.refusals}
    assert {Code.CONTRAST_BY_TAG, Code.TOO_FEW_SLICES, code} <= codes
