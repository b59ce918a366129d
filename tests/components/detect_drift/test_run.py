"""The drift step from traffic to verdict, with a stand-in for the served model (the real one: tests/integration)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.deploy_triton.errors import TritonUnavailableError
from components.detect_drift import run as step
from components.detect_drift.compare_log import NothingToCompareError, compare_log, reference_file
from models.errors import ParameterError
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import PredictionRow, Source


class ServedModel:
    """BMD that follows the crops' HU, as a network's would."""

    version = "3"

    def __init__(self, url: str) -> None:
        self.url, self.model = url, "osteogate"

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def loaded_versions(self) -> list[str]:
        return [self.version] if self.version else []

    def predict(self, crops, acquisition, *, version=""):
        assert version == self.version
        hu = crops.mean(axis=(1, 2, 3))
        return SimpleNamespace(
            bmd_g_cm2=0.95 + 0.0025 * (hu - 125), tbs=1.3 + 0.0005 * (hu - 125), model_version=version
        )


@pytest.fixture
def drift(monkeypatch, make_study, rules, simulate_params, prepare_params, monitor, tmp_path: Path):
    """drift(**changes) -> DriftSummary, on studies without pixels; two vendors."""
    small = monitor.model_copy(update={"vendors": ("GE", "Canon"), "workers": 1})

    def stream(plan, *, workers, cache):
        for order in plan.orders():
            rng = np.random.default_rng([order.seed, order.index])
            yield make_study(order.study, order.vendor, rng, order.shift_hu)

    monkeypatch.setattr(step, "stream", stream)
    monkeypatch.setattr(step, "TritonClient", ServedModel)

    def go(**changes: object):
        values: dict[str, object] = {
            "triton_url": "127.0.0.1:1",
            "log_url": f"sqlite:///{tmp_path / 'log.db'}",
            "reference_out": reference_file(tmp_path / "drift", ServedModel.version),
            "out": tmp_path / "out",
            "simulate_params": simulate_params,
            "prepare_params": prepare_params,
            "monitor": small,
            "rules": rules,
        }
        return step.run(**{**values, **changes})

    go.monitor = small
    return go


def test_an_ordinary_month_is_stable_and_fully_written(drift, tmp_path: Path):
    seen = []
    summary = drift(progress=lambda done, total: seen.append((done, total)))
    assert {name: item["status"] for name, item in summary.verdicts.items()} == {
        "GE": "stable",
        "Canon": "stable",
    }
    assert not summary.found
    assert seen[-1] == (128, 128)  # 2 vendors x (40 + 24)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "drift.json", "index.html", "GE.html", "GE.json", "Canon.html", "Canon.json",
    }  # fmt: skip
    for name in ("index.html", "GE.html", "Canon.html"):
        assert "imulated phantoms, not patients" in (tmp_path / "out" / name).read_text(), name
    document = json.loads((tmp_path / "out" / "drift.json").read_text())
    assert document["schema_version"] == 1
    assert document["data_kind"] == "simulated"
    assert document["model_version"] == "3"
    log = PredictionLog(f"sqlite:///{tmp_path / 'log.db'}", create=False)
    assert len(log.read(source=Source.TRAFFIC_REFERENCE)) == 80
    current = log.read(source=Source.TRAFFIC_CURRENT)
    assert len(current) == 48
    assert current["flag"].any()
    assert current["bmd_interval_width_g_cm2"].round(6).eq(0.2).all()


def test_the_reference_is_kept_for_its_model_and_made_again_for_another(drift, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(step, "summarise", lambda *_, **__: None)
    drift()
    counts = []
    drift(progress=lambda done, total: counts.append(total))
    assert counts[-1] == 48  # the reference month was not answered again
    monkeypatch.setattr(ServedModel, "version", "4")
    drift(progress=lambda done, total: counts.append(total))
    assert counts[-1] == 128


def test_a_rehearsed_shift_names_the_vendor_and_leaves_the_log_alone(drift, tmp_path: Path):
    drift()
    before = len(PredictionLog(f"sqlite:///{tmp_path / 'log.db'}").read())
    summary = drift(hu_shift={"Canon": 10.0}, out=tmp_path / "rehearsal")
    assert summary.judgement.named() == ("Canon",)
    assert {"soft_tissue_peak_hu", "fat_peak_hu"} <= set(summary.verdicts["Canon"]["moved"])
    assert summary.notes == ("Rehearsal: Canon shifted by +10 HU.",)
    assert len(PredictionLog(f"sqlite:///{tmp_path / 'log.db'}").read()) == before


def test_a_shift_of_an_unknown_vendor_is_a_usage_error(drift):
    with pytest.raises(ParameterError, match="Hitachi: not in the traffic; vendors: GE, Canon"):
        drift(hu_shift={"Hitachi": 10.0})


def test_a_server_without_a_model_is_said_to_be_so(drift, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(ServedModel, "version", "")
    with pytest.raises(TritonUnavailableError, match="serves no version"):
        drift(reference_out=tmp_path / "reference.parquet")
    assert not (tmp_path / "out" / "drift.json").exists()


def test_the_log_is_compared_later_by_model_kind_and_study(drift, monkeypatch, tmp_path: Path):
    with monkeypatch.context() as patch:
        patch.setattr(step, "summarise", lambda *_, **__: None)
        drift()
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = PredictionLog(url)
    rows = [
        PredictionRow.model_validate(item)
        for item in log.read(source=Source.TRAFFIC_CURRENT).to_dict("records")
    ]
    weeks_later = rows[-1].timestamp + timedelta(days=20)
    log.append(rows)  # the same studies, answered again
    log.append(
        [
            rows[0].model_copy(
                update={
                    "study": "real",
                    "data_kind": "site",
                    "source": Source.GATEWAY,
                    "timestamp": weeks_later,
                }
            )
        ]
    )
    later = {
        "log_url": url,
        "references": tmp_path / "drift",
        "out": tmp_path / "later",
        "monitor": drift.monitor,
    }
    summary = compare_log(**later)
    assert {item.current_n for item in summary.judgement.vendors} == {
        24
    }  # the days end at what is comparable
    assert not summary.found
    assert any("1 answers on other than simulated data" in note for note in summary.notes)
    assert any("48 repeated answers" in note for note in summary.notes)
    with pytest.raises(NothingToCompareError, match="no answer from"):
        compare_log(**later, until=rows[0].timestamp)
