"""Who a study is made of: exact cohorts, nobody in two, wrong wishes refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import ParameterError
from models.params import load_section
from pipelines.study.params import StudyParams
from pipelines.study.plan import paper_plan, study_plan
from pipelines.study.run import run_study
from pipelines.study.vendor_left_out import VendorError
from tests.pipelines.study.conftest import quiet

ROOT = Path(__file__).resolve().parents[3]


def test_the_projects_own_study_is_what_the_requirement_asks_for() -> None:
    study = load_section(ROOT / "params.yaml", "study", StudyParams)
    assert study.test_patients >= 700
    assert study.calibration_patients >= 500
    bounds = study.bounds
    assert (bounds.bmd_share_of_ceiling, bounds.bmd_r, bounds.bmd_gain_over_hu) == (0.90, 0.80, 0.10)
    assert (bounds.osteoporosis_auc, bounds.tbs_share_of_ceiling) == (0.92, 0.70)
    assert bounds.coverage == (0.865, 0.93)
    assert bounds.vendor_loss == 0.05


def test_every_cohort_has_its_own_seed_and_its_patients_in_one_purpose() -> None:
    plan = study_plan(ROOT / "params.yaml", None, test_seeds=[7, 8, 9])
    assert plan.calibration is not None
    cohorts = [plan.training, plan.calibration, *plan.tests.values()]
    assert len({cohort.seed for cohort in cohorts}) == 5
    splits = [cohort.params.prepare.split for cohort in cohorts]
    assert [split.used for split in splits] == [("train", "validation"), ("calibration",), *[("test",)] * 3]
    assert [cohort.patients for cohort in cohorts] == [350, 500, 700, 700, 700]


def test_the_papers_cohort_is_402_patients_280_70_52() -> None:
    plan = paper_plan(ROOT / "params.yaml", "paper")
    split = plan.training.params.prepare.split
    assert plan.training.patients == 402
    assert (split.train, split.validation + split.calibration, split.test) == (280, 70, 52)
    assert plan.training.params.prepare.geometry.pixels == 224
    assert plan.train.arch == "resnet50"
    assert "35 stop the training and 35 freeze" in plan.protocol


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_seeds": []}, "none is named"),
        ({"test_seeds": [5, 5]}, "test cohort 1 and for test cohort 2"),
        ({"test_seeds": [5], "train_seed": 5}, "named for train and for test cohort 1"),
        ({"test_seeds": [2**32]}, "accepted: 0 to"),
        ({"test_seeds": [5], "calibration_seed": 20240601}, "named for train and for calibration"),
    ],
)
def test_patients_of_two_cohorts_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        study_plan(ROOT / "params.yaml", None, **changes)


def test_too_few_to_calibrate_on_are_refused_before_anything_is_made() -> None:
    """90 % of n + 1 ordered residuals: the 9th of 9, but of 8 there is no 9th."""
    with pytest.raises(ParameterError, match=r"study\.calibration_patients: 8; accepted: at least 9"):
        study_plan(ROOT / "params.yaml", None, test_seeds=[5], calibration_patients=8)
    assert (
        study_plan(ROOT / "params.yaml", None, test_seeds=[5], calibration_patients=9).calibration is not None
    )


def test_a_vendor_without_test_patients_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Three test patients for four vendors."""
    plan = study_plan(ROOT / "params.yaml", None, test_seeds=[5], test_patients=3)
    with pytest.raises(VendorError, match="split test: no patient of vendor"):
        run_study(plan, tmp_path / "out", console=quiet())
    assert not (tmp_path / "out").exists()


def test_a_profile_of_shares_is_no_paper_protocol() -> None:
    with pytest.raises(ParameterError, match="exact numbers"):
        paper_plan(ROOT / "params.yaml", "demo")
