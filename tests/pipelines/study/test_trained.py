"""A training is kept while data, parameters and code are the same, and says which code trained it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from models.artefact import LoadedModel
from models.crop_store import CropStore
from models.seen_patients import read_seen_patients
from models.train_params import TrainParams
from pipelines.study import trained as module
from pipelines.study.result import model_facts
from pipelines.study.trained import predicted, trained
from tests.crop_store_factory import make_store
from tests.pipelines.study.conftest import ROOT, quiet

QUICK = TrainParams(arch="resnet18", epochs=1, batch=16, precision="fp32", device="cpu", threads=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("trained") / "store", 20, offsets_mm=(0.0,))


def _train(store: CropStore, folder: Path, commit: str) -> LoadedModel:
    return trained(store, QUICK, folder, "train", quiet(), commit)


def test_a_kept_model_names_the_commit_that_trained_it_and_other_code_trains_anew(
    store: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _train(store, tmp_path / "model", "0123abc")
    kept = _train(store, tmp_path / "model", "9876fed")
    assert kept.card == first.card
    assert model_facts(kept)["trained_by_code"] == "0123abc"
    monkeypatch.setattr(module, "_source", lambda name: f"changed {name}")
    again = _train(store, tmp_path / "model", "9876fed")
    assert model_facts(again)["trained_by_code"] == "9876fed"


def test_a_model_keeps_whom_it_has_seen_and_one_of_before_gets_its_list(
    store: CropStore, tmp_path: Path
) -> None:
    _train(store, tmp_path / "model", "0123abc")
    index = store.index
    shown = set(index.loc[index["split"] != "test", "patient"])
    assert read_seen_patients(tmp_path / "model" / "model") == shown
    (tmp_path / "model" / "model" / "seen_patients.json").unlink()
    others = replace(store, index=index.assign(patient="c" + index["patient"], split="calibration"))
    trained(store, QUICK, tmp_path / "model", "train", quiet(), None, frozen_on=others)
    assert read_seen_patients(tmp_path / "model" / "model") == shown | set(others.index["patient"])


def test_predictions_of_other_code_are_not_kept(
    store: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = _train(store, tmp_path / "model", "0123abc"), tmp_path / "predictions"
    whole = predicted(model, store, ("test",), folder, "predict", quiet())
    file = folder / "predictions.parquet"
    whole.assign(bmd_pred_g_cm2=0.0).to_parquet(file, index=False)
    assert (predicted(model, store, ("test",), folder, "predict", quiet())["bmd_pred_g_cm2"] == 0).all()
    monkeypatch.setattr(module, "_source", lambda name: f"changed {name}")
    pd.testing.assert_frame_equal(predicted(model, store, ("test",), folder, "predict", quiet()), whole)


def test_the_key_follows_what_training_imports_and_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = Path.read_bytes

    def noted(path: Path) -> bytes:
        if path.is_relative_to(ROOT):
            read.append(str(path.relative_to(ROOT)))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    module._source.__wrapped__(module.TRAINING_SOURCE)
    assert {"models/training.py", "models/dataset.py", "models/network.py", "requirements.txt"} <= set(read)
    assert not [
        name for name in read if name.startswith(("models/evaluation", "models/model_card", "pipelines"))
    ]
