"""The ablation: each variant changes what it says and nothing else; finished ones are kept; the table is honest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr

from components.train_resnet50 import ablation
from components.train_resnet50.ablation import VARIANTS, chosen, run, subset, validation_measures
from components.train_resnet50.ablation_report import compared, write_report
from models.artefact import LoadedModel, load_model, save_model
from models.crop_store import CropStore
from models.errors import ParameterError
from models.params import load_section
from models.prediction import predict_store
from models.train_params import TrainParams
from models.training import fit
from tests.crop_store_factory import make_store

ROOT = Path(__file__).resolve().parents[3]
QUICK = {"arch": "resnet18", "epochs": 1, "batch": 24, "threads": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    folder = tmp_path_factory.mktemp("store") / "crops"
    splits = ("train",) * 6 + ("validation",) * 4
    return make_store(folder, patients=10, pixels=24, offsets_mm=(-6.0, 0.0, 6.0), split_of_ten=splits)


@pytest.fixture(scope="module")
def full() -> TrainParams:
    return load_section(ROOT / "params.yaml", "train", TrainParams, "ablation")


def test_the_full_training_has_everything_on(full: TrainParams) -> None:
    augmentation = full.augmentation.model_dump()
    assert all(augmentation.values()), augmentation
    assert full.augmentation.centre_jitter_mm == 3.0
    assert full.ema_decay > 0
    assert full.dropout > 0
    assert full.linear_start
    assert (full.schedule, full.arch) == ("one_cycle", "resnet50")


def test_every_variant_differs_from_the_full_one_and_from_every_other(
    store: CropStore, full: TrainParams
) -> None:
    seen = {}
    for variant in VARIANTS:
        changed, params = variant.change(store, full)
        seen[variant.name] = json.dumps(vars(ablation.identity(changed, params)), sort_keys=True)
    assert len(set(seen.values())) == len(VARIANTS)
    assert VARIANTS[0].name == "full"
    assert VARIANTS[0].change(store, full) == (store, full)


def test_one_slice_is_the_middle_one(store: CropStore, full: TrainParams) -> None:
    changed, params = ablation.one_slice(store, full)
    assert params == full
    assert changed.header.geometry.slices == 1
    assert np.array_equal(changed.hu[:, 0], store.hu[:, 1])


def test_no_acquisition_is_the_same_for_everybody(store: CropStore, full: TrainParams) -> None:
    changed, _ = ablation.no_acquisition(store, full)
    assert set(changed.index["kvp"]) == {120.0}
    assert changed.index["pixel_spacing_mm"].nunique() == 1
    assert store.index["kvp"].nunique() > 1


def test_a_subset_takes_train_patients_only(store: CropStore) -> None:
    fewer = subset(store, 2).index
    assert fewer.loc[fewer["split"] == "train", "patient"].nunique() == 2
    assert (fewer["split"] == "validation").sum() == (store.index["split"] == "validation").sum()
    assert subset(store, None) is store
    with pytest.raises(ParameterError, match="--train-patients 7: the store has 6"):
        subset(store, 7)


def test_unknown_variants_are_named_and_the_full_one_is_always_trained() -> None:
    assert [variant.name for variant in chosen("no_ema")] == ["full", "no_ema"]
    with pytest.raises(ParameterError, match="unknown no_emma; accepted: full, no_ema"):
        chosen("no_emma")


def test_measures_are_scipys_and_the_definition(store: CropStore, tmp_path: Path) -> None:
    card = save_model(model := fit(store, TrainParams(**QUICK)), tmp_path / "model", git_commit=None)
    measures = validation_measures(LoadedModel(model.network, card), store)
    table = predict_store(load_model(tmp_path / "model"), store, ("validation",))
    patients = table.groupby("patient")[["bmd_g_cm2", "tbs", "bmd_pred_g_cm2", "tbs_pred"]].mean()
    assert len(patients) == 4
    assert measures["bmd_r"] == pytest.approx(
        pearsonr(patients["bmd_g_cm2"], patients["bmd_pred_g_cm2"]).statistic
    )
    assert measures["tbs_mae"] == pytest.approx((patients["tbs"] - patients["tbs_pred"]).abs().mean())
    spread = np.std(store.index.loc[store.index["split"] == "train", ["bmd_g_cm2", "tbs"]].to_numpy(), axis=0)
    truth = table[["bmd_g_cm2", "tbs"]].to_numpy()
    errors = np.abs(truth - table[["bmd_pred_g_cm2", "tbs_pred"]].to_numpy()) / spread
    by_hand = sum(np.mean([e**2 / 2 if e < 1 else e - 0.5 for e in column]) for column in errors.T)
    assert measures["validation_loss"] == pytest.approx(by_hand)


def test_finished_variants_are_kept_and_others_trained(
    store: CropStore, full: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = full.model_copy(update=QUICK)
    first = run(store, params, work=tmp_path, seeds=(1,), variants=chosen("one_slice"))
    trained: list[int] = []

    def counted(*arguments: object, **named: object) -> object:
        trained.append(1)
        return fit(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ablation, "fit", counted)
    assert run(store, params, work=tmp_path, seeds=(1,), variants=chosen("one_slice")) == first
    assert trained == []
    again = run(
        store, params.model_copy(update={"dropout": 0.0}), work=tmp_path, seeds=(1,), variants=chosen("full")
    )
    assert trained == [1], "other parameters are another training"
    assert again[0]["identity"] != first[0]["identity"]
    left = sorted(path.name for path in (tmp_path / "full-seed1").iterdir())
    assert left == ["row.json"], "neither weights nor checkpoints stay"

    row = tmp_path / "full-seed1" / "row.json"
    row.write_text(row.read_text()[:40])
    assert run(
        store, params.model_copy(update={"dropout": 0.0}), work=tmp_path, seeds=(1,), variants=chosen("full")
    )
    assert trained == [1, 1], "a torn row is none"

    write_report(first, params, store.header, tmp_path / "ablation.md")
    page = (tmp_path / "ablation.md").read_text()
    assert "simulated phantoms, not patients" in page
    assert "(`one_slice`)" in page
    document = json.loads((tmp_path / "ablation.json").read_text())
    assert (document["data_kind"], len(document["rows"])) == ("simulated", 2)


def test_the_verdict_needs_all_seeds_to_agree() -> None:
    losses = {"full": (0.50, 0.40), "a": (0.60, 0.45), "b": (0.45, 0.39), "c": (0.55, 0.35)}
    rows = [
        {
            "variant": name, "words": name, "seed": seed, "validation_loss": loss, "bmd_r": 0.8, "tbs_r": None,
            "bmd_mae": 0.1, "tbs_mae": 0.1, "seconds": 2.0,
        }
        for name, values in losses.items()
        for seed, loss in enumerate(values, start=1)
    ]  # fmt: skip
    entries = {entry["variant"]: entry for entry in compared(rows)}
    assert entries["a"]["loss_differences"] == pytest.approx([0.10, 0.05])
    assert [entries[name]["verdict"] for name in ("full", "a", "b", "c")] == [
        "-", "worse without", "better without", "no consistent difference",
    ]  # fmt: skip
    assert entries["full"]["validation_loss"] == pytest.approx(0.45)
    assert entries["a"]["tbs_r"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--epochs", "0"), "argument --epochs: found '0'; accepted: a whole number from 1"),
        (("--epochs", "-3"), "argument --epochs: found '-3'"),
        (("--train-patients", "-1"), "argument --train-patients: found '-1'"),
        (
            ("--report", "table.json"),
            "argument --report: found 'table.json'; accepted: a name that ends in .md",
        ),
    ],
)
def test_wrong_usage_is_a_line_before_anything_is_read(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--store", "nowhere", "--out", "work", "--report", "table.md")
    monkeypatch.setattr("sys.argv", ["ablation", *common, *words])
    with pytest.raises(SystemExit) as stopped:
        ablation.main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_the_store_may_be_the_folder_that_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_store(tmp_path / "streamed" / "crops", patients=10, pixels=16, offsets_mm=(0.0,))
    words = ("--store", tmp_path / "streamed", "--out", tmp_path / "work", "--report", tmp_path / "t.md")
    monkeypatch.setattr("sys.argv", ["ablation", *map(str, words), "--train-patients", "99"])
    assert ablation.main() == 2
    assert "--train-patients 99: the store has 6" in capsys.readouterr().err
