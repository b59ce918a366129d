"""The intake study's counts by hand, its page, and the seed that may not be reported on."""

from __future__ import annotations

import pytest

from pipelines.study.intake_images import LevelFacts, PatientFacts
from pipelines.study.intake_page import render
from pipelines.study.intake_result import DefectCount, HeaderCount, IntakeResult, accuracies, intake_result
from pipelines.study.intake_run import TUNING_SEED, IntakeSeedError, refuse_tuning_seed
from pipelines.study.wrong_scale import WRONG_SCALES


def patient(index: int, *, enhanced: bool, codes: list[str], **level: object) -> PatientFacts:
    sound = {
        "level": "L1", "metal": False, "fracture": 0.0, "fracture_kind": "", "metal_mm3": 0.0, "cement_mm3": 0.0,
        "height_loss": 0.02, "code": "",
    }  # fmt: skip
    return PatientFacts(
        seed=1, index=index, case="as drawn", vendor="GE", kvp=120.0, slice_spacing_mm=2.0, noise_hu=15.0,
        enhanced=enhanced, cobb_deg=0.0, aorta_hu=40.0, curve_deg=1.0,
        air_peak_hu=-990.0, wrong_scales_refused=dict.fromkeys(WRONG_SCALES, index > 0), series_codes=codes,
        levels=[LevelFacts.model_validate({**sound, **level})],
    )  # fmt: skip


PATIENTS = [
    patient(0, enhanced=True, codes=["CONTRAST_BY_IMAGE"]),
    patient(1, enhanced=True, codes=[], metal=True, code="METAL_IN_VERTEBRA"),
    patient(2, enhanced=False, codes=[], fracture=0.3, fracture_kind="wedge"),
    patient(3, enhanced=False, codes=["CONTRAST_BY_IMAGE"]),
]


def result(refused: int = 0, caught: int = 4) -> IntakeResult:
    headers = {"1": HeaderCount(series=10, refused=refused, codes={}, changed_by_scrubbing=0)}
    defect = DefectCount(
        defect="gantry_tilt",
        code="GANTRY_TILT",
        series=4,
        caught=caught,
        caught_scrubbed=4,
        rests_on_words=False,
    )
    return intake_result(PATIENTS, headers, [defect], limits={"metal_hu": 2000.0}, matrix=256, commit=None)


def test_shares_are_those_counted_by_hand() -> None:
    found = {(item.rule, item.unit): item for item in accuracies(PATIENTS)}
    contrast = found["undeclared contrast", "patients"]
    assert (contrast.sensitivity.value, contrast.specificity.value, contrast.met) == (0.5, 0.5, False)
    metal = found["metal or cement", "levels"]
    assert (metal.sensitivity.value, metal.sensitivity.n, metal.specificity.n, metal.met) == (1.0, 1, 3, True)
    fracture = found["fracture", "levels"]
    assert (fracture.sensitivity.value, fracture.sensitivity.n, fracture.specificity.n) == (0.0, 1, 2)
    assert fracture.met is None
    for name in WRONG_SCALES:
        wrong = found[name, "patients"]
        assert (wrong.sensitivity.value, wrong.sensitivity.n, wrong.specificity.value) == (0.75, 4, 1.0)
    # Wilson 1927: 1 of 1 is [0.207, 1] at 95 %
    assert metal.sensitivity.low == pytest.approx(0.2065, abs=1e-3)


def test_levels_whose_heights_were_not_read_are_counted() -> None:
    patients = [*PATIENTS, patient(4, enhanced=False, codes=[], height_loss=None)]
    found = intake_result(patients, {}, [], limits={}, matrix=256, commit=None)
    assert (found.heights_not_read, found.levels_without_metal, found.air_not_in_view) == (1, 4, 0)


def test_one_sound_series_refused_or_one_defect_missed_is_not_met() -> None:
    assert not result().met  # contrast at 0.5
    fine = result().model_copy(update={"accuracy": []})
    assert fine.met
    for worse in (result(refused=1), result(caught=3)):
        assert not worse.model_copy(update={"accuracy": []}).met


def test_the_page_and_the_text_say_simulated_and_what_is_not_checked() -> None:
    for words in (render(result()), result().text()):
        assert "SIMULATED phantoms, not patients" in words
        assert "focal bone lesion" in words


def test_the_seed_of_the_cut_offs_is_not_reported_on() -> None:
    for seeds in ([5, TUNING_SEED], [5, 5]):
        with pytest.raises(IntakeSeedError):
            refuse_tuning_seed(seeds)
