"""The model folder comes back as it went, or is refused with one clear line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.artefact import (
    ModelArtefactError,
    ModelTargetError,
    ModelWriteError,
    load_model,
    read_card,
    save_model,
)
from models.crop_store import CropStore
from models.prediction import GeometryMismatchError, predict_store
from models.train_params import TrainParams
from models.training import TrainedModel, fit
from tests.crop_store_factory import make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(
        tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=24, offsets_mm=(-4.0, 4.0)
    )


@pytest.fixture(scope="module")
def trained(store: CropStore) -> TrainedModel:
    return fit(store, TrainParams(arch="resnet18", epochs=1, batch=48, threads=1))


@pytest.fixture(scope="module")
def saved(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(trained, folder, git_commit="abc123")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def edit(folder: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


def test_what_is_loaded_computes_what_was_trained(
    trained: TrainedModel, saved: Path, store: CropStore
) -> None:
    loaded = load_model(saved)
    crops = torch.from_numpy(store.hu[:5].copy())
    facts = torch.tensor([[120.0, 1.0, 0.7]] * 5)
    with torch.inference_mode():
        expected, found = trained.network(crops, facts), loaded.network(crops, facts)
    assert torch.equal(expected[0], found[0])
    assert torch.equal(expected[1], found[1])


def test_the_card_says_where_the_model_comes_from(saved: Path, store: CropStore) -> None:
    card = read_card(saved)
    assert card.geometry == store.header.geometry
    assert (card.data_version, card.data_kind, card.git_commit) == ("synthetic", "simulated", "abc123")
    assert card.patients == {"train": 6, "validation": 1}
    train = store.index[store.index["split"] == "train"]
    assert card.standardisation["label_mean"] == pytest.approx(
        [train["bmd_g_cm2"].mean(), train["tbs"].mean()]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(schema_version=2), r"model schema 2; this version reads 1"),
        (lambda card: card["architecture"].update(arch="vit"), r"architecture\.arch: found 'vit'"),
        (lambda card: card.pop("geometry"), r"geometry"),
        (lambda card: card["architecture"].update(arch="resnet50"), r"weights cannot be loaded"),
    ],
)
def test_a_card_of_something_else_is_refused(
    folder: Path,
    change: Callable[[dict], None],  # type: ignore[type-arg]
    message: str,
) -> None:
    edit(folder, change)
    with pytest.raises(ModelArtefactError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_that_changed_are_refused(folder: Path) -> None:
    content = bytearray((folder / "weights.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "weights.pt").write_bytes(content)
    with pytest.raises(ModelArtefactError, match=r"weights\.pt: SHA-256 .* but model\.json declares"):
        load_model(folder)


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "weights.pt").unlink()
    with pytest.raises(ModelArtefactError, match=r"weights\.pt"):
        load_model(folder)
    with pytest.raises(ModelArtefactError, match=r"nowhere/model\.json: not a model card"):
        load_model(tmp_path / "nowhere")


def test_a_full_disk_leaves_the_old_model(
    trained: TrainedModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError(
            "[enforce fail] . PytorchStreamWriter failed writing file data/3: file write failed"
        )

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ModelWriteError, match=r"model not written .* free disk space"):
        save_model(trained, folder, git_commit=None)
    assert load_model(folder).card.git_commit == "abc123"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_only_a_model_or_nothing_is_replaced(trained: TrainedModel, folder: Path, tmp_path: Path) -> None:
    save_model(trained, folder, git_commit="of today")
    assert load_model(folder).card.git_commit == "of today"
    mine = tmp_path / "thesis"
    mine.mkdir()
    save_model(trained, mine, git_commit=None)  # an empty folder
    (mine / "model.json").unlink()
    with pytest.raises(ModelTargetError, match="thesis: is not empty and holds no model"):
        save_model(trained, mine, git_commit=None)
    assert (mine / "weights.pt").is_file()
    with pytest.raises(ModelTargetError, match="is no folder"):
        save_model(trained, mine / "weights.pt", git_commit=None)


def test_predictions_keep_the_index_rows(saved: Path, store: CropStore) -> None:
    model = load_model(saved)
    table = predict_store(model, store, ("calibration", "test"), batch=5)
    expected = store.index[store.index["split"].isin(["calibration", "test"])].reset_index(drop=True)
    assert table[store.index.columns.tolist()].equals(expected)
    crop = torch.from_numpy(store.hu[store.index.index[store.index["split"] == "test"][:1]].copy())
    facts = torch.tensor(expected.loc[expected["split"] == "test", ["kvp", "slice_thickness_mm", "pixel_spacing_mm"]]
                         .to_numpy()[:1], dtype=torch.float32)  # fmt: skip
    with torch.inference_mode():
        bmd, tbs = model.network(crop, facts)
    first = table[table["split"] == "test"].iloc[0]
    assert (first["bmd_pred_g_cm2"], first["tbs_pred"]) == pytest.approx((bmd.item(), tbs.item()), abs=1e-5)


def test_crops_of_another_geometry_are_refused(saved: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other", patients=2, pixels=16)
    with pytest.raises(GeometryMismatchError, match=r"pixels=16.*pixels=24"):
        predict_store(load_model(saved), other, ("train",))
