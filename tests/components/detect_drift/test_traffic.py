"""Simulated traffic: real simulated pixels, a shift that reaches every statistic, and a cache that is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.detect_drift import traffic
from components.detect_drift.study import TrafficStudy, cut_study, shifted
from components.detect_drift.traffic import Refused, TrafficPlan, stream
from components.ingest_dicom.volume import Volume
from components.simulate_cohort.findings import draw_findings
from components.simulate_cohort.patient import draw_patient
from models.refusal import Code, RefusedError, refuse


@pytest.fixture(scope="module")
def plan(simulate_params, prepare_params):
    def make(shift: dict[str, float] | None = None, **changes: object) -> TrafficPlan:
        values = {"vendors": ("GE",), "per_vendor": 1, "seed": 5, "hu_shift": shift or {}}
        return TrafficPlan(**{**values, **changes}, simulate=simulate_params, prepare=prepare_params)

    return make


@pytest.fixture(scope="module")
def plain_and_shifted(plan) -> tuple[TrafficStudy, TrafficStudy]:
    """The same simulated study as it is and with +10 HU (about 1.5 CPU seconds each)."""
    (plain,) = stream(plan(), workers=1, cache=None)
    (moved,) = stream(plan({"GE": 10.0}), workers=1, cache=None)
    assert isinstance(plain, TrafficStudy)
    assert isinstance(moved, TrafficStudy)
    return plain, moved


def test_a_simulated_study_is_cut_and_measured(plain_and_shifted, prepare_params):
    study, _ = plain_and_shifted
    pixels = prepare_params.geometry.pixels
    assert study.crops.shape[1:] == (prepare_params.geometry.slices, pixels, pixels)
    assert 2 <= len(study.crops) <= 4
    assert study.crops.dtype == np.int16
    assert study.acquisition().shape == (len(study.crops), 3)
    assert study.kernel_class in ("soft", "sharp")
    assert 0 < study.statistics["soft_tissue_peak_hu"] < 90
    assert -140 < study.statistics["fat_peak_hu"] < -70


def test_a_calibration_shift_moves_every_level_statistic_by_itself_and_noise_not_at_all(plain_and_shifted):
    plain, moved = plain_and_shifted
    assert moved.study != plain.study
    for name in ("soft_tissue_peak_hu", "fat_peak_hu", "trabecular_hu"):
        assert moved.statistics[name] - plain.statistics[name] == pytest.approx(10.0, abs=0.6), name
    assert moved.statistics["noise_hu"] == pytest.approx(plain.statistics["noise_hu"], rel=0.03)
    inside = plain.crops > -1000
    assert np.abs(moved.crops[inside].astype(int) - plain.crops[inside] - 10).max() <= 1


@pytest.mark.parametrize(
    ("index", "findings", "levels"),
    [
        (53, {"screws": ("L2", "L3")}, 2),
        (14, {"fractures": ("L4",)}, 3),
        (48, {"cobb_deg": True}, 0),
    ],
)
def test_what_validation_would_leave_out_is_no_traffic(
    simulate_params, prepare_params, index: int, findings: dict[str, object], levels: int
):
    drawn = draw_findings(draw_patient(index, 5, purpose="traffic"))
    for name, expected in findings.items():  # the premise: the simulator gave this patient that
        found = getattr(drawn, name)
        assert (tuple(found) if isinstance(expected, tuple) else bool(found)) == expected
    made = {"index": index, "seed": 5, "vendor": "GE", "shift_hu": 0.0, "name": "study"}
    if not levels:
        with pytest.raises(RefusedError) as refused:
            cut_study(**made, simulate=simulate_params, prepare=prepare_params)
        assert refused.value.codes == (Code.SCOLIOSIS,)
        return
    assert len(cut_study(**made, simulate=simulate_params, prepare=prepare_params).crops) == levels


def test_air_outside_the_field_of_view_is_not_shifted():
    volume = Volume(np.array([[[-1024, 0, 100]]], dtype=np.int16), np.eye(4))
    assert shifted(volume, 10.0).hu.tolist() == [[[-1024, 10, 110]]]
    assert shifted(volume, -2000.0).hu.tolist() == [[[-1024, -1024, -1024]]]


def fake_cut(calls: list[str], make_study):
    def cut(*, name: str, vendor: str, index: int, **_: object) -> TrafficStudy:
        calls.append(name)
        return make_study(name, vendor, np.random.default_rng(index))

    return cut


def test_the_cache_gives_back_what_it_was_given_and_nothing_is_simulated_twice(
    plan, make_study, monkeypatch, tmp_path: Path
):
    calls: list[str] = []
    monkeypatch.setattr(traffic, "cut_study", fake_cut(calls, make_study))
    small, large = plan(per_vendor=2, vendors=("GE", "Canon")), plan(per_vendor=3, vendors=("GE", "Canon"))
    first = list(stream(small, workers=1, cache=tmp_path))
    assert [study.vendor for study in first] == ["GE", "Canon", "GE", "Canon"]
    assert len(calls) == 4
    again = list(stream(large, workers=1, cache=tmp_path))  # the larger month begins with the smaller one
    assert len(calls) == 6
    for before, after in zip(first, again, strict=False):
        assert (before.study, before.statistics, before.vendor) == (
            after.study,
            after.statistics,
            after.vendor,
        )
        np.testing.assert_array_equal(before.crops, after.crops)
    list(stream(plan({"GE": 10.0}, per_vendor=2, vendors=("GE", "Canon")), workers=1, cache=tmp_path))
    assert len(calls) == 8  # only the shifted vendor's studies are made anew


def test_a_damaged_cache_file_is_made_again(plan, make_study, monkeypatch, tmp_path: Path):
    calls: list[str] = []
    monkeypatch.setattr(traffic, "cut_study", fake_cut(calls, make_study))
    (study,) = stream(plan(), workers=1, cache=tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    (again,) = stream(plan(), workers=1, cache=tmp_path)
    assert again.statistics == study.statistics
    assert len(calls) == 2


def test_the_key_follows_what_pixels_depend_on_and_nothing_else(plan, simulate_params, prepare_params):
    key = plan().key()
    more_patients = simulate_params.model_copy(update={"patients": 999, "seed": 3})
    other_matrix = simulate_params.model_copy(update={"matrix": 320})
    other_crop = prepare_params.model_copy(update={"coverage_tolerance_mm": 5.0})
    make = lambda simulate, prepare: TrafficPlan(("GE",), 1, 5, simulate, prepare, {}).key()  # noqa: E731
    assert make(more_patients, prepare_params) == key
    assert make(other_matrix, prepare_params) != key
    assert make(simulate_params, other_crop) != key


def test_a_refused_study_is_counted_and_not_kept(plan, monkeypatch, tmp_path: Path):
    def refuse_all(**_: object) -> TrafficStudy:
        raise refuse(Code.LEVELS_TOO_FEW, "1 evaluable level")

    monkeypatch.setattr(traffic, "cut_study", refuse_all)
    (item,) = stream(plan(), workers=1, cache=tmp_path)
    assert isinstance(item, Refused)
    assert item.codes == ("LEVELS_TOO_FEW",)
    assert not list(tmp_path.rglob("*.npz"))
