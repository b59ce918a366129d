"""What a batch holds, and what cannot be trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.crop_store import CropStore
from models.dataset import CropDataset, TrainingDataError, check_trainable
from models.train_params import load_train_params
from tests.crop_store_factory import make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=16)


def changed(store: CropStore, **columns: object) -> CropStore:
    return dataclasses.replace(store, index=store.index.assign(**columns))


def check(store: CropStore) -> None:
    check_trainable(CropDataset(store, ("train",)), CropDataset(store, ("validation",)))


def test_the_whole_synthetic_store_can_be_trained_on(store: CropStore) -> None:
    check(store)


def test_a_batch_is_the_stores_pixels_labels_and_facts(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",))
    batch = dataset.batch(np.array([3, 0]))
    rows = store.index[store.index["split"] == "train"].index[[3, 0]]
    assert batch.rows.tolist() == rows.tolist()
    assert np.array_equal(batch.crops.numpy(), store.hu[rows])
    assert batch.labels.numpy() == pytest.approx(store.index.loc[rows, ["bmd_g_cm2", "tbs"]].to_numpy())
    facts = store.index.loc[rows, ["kvp", "slice_thickness_mm", "pixel_spacing_mm"]].to_numpy()
    assert batch.acquisition.numpy() == pytest.approx(facts)


def test_an_epoch_sees_every_crop_once_in_an_order_of_seed_and_epoch(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",))

    def order(seed: int, epoch: int) -> list[int]:
        return [int(row) for batch in dataset.shuffled(7, seed, epoch) for row in batch.rows]

    assert sorted(order(1, 1)) == sorted(dataset.rows.tolist())
    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_a_last_batch_of_one_is_left_out_and_counted_so(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",))  # 6 patients x 4 levels x 3 offsets = 72 crops
    assert len(dataset) == 72
    assert [len(batch.rows) for batch in dataset.shuffled(71, 0, 1)] == [71]
    assert dataset.batches(71) == 1
    assert dataset.batches(70) == 2
    assert dataset.batches(72) == 1


def test_the_middle_crop_of_each_vertebra(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",), middle_only=True)
    assert len(dataset) == 24
    assert (store.index.loc[dataset.rows, "lateral_offset_mm"] == 0).all()


def test_an_unknown_split_is_named(store: CropStore) -> None:
    with pytest.raises(ValueError, match="valid"):
        CropDataset(store, ("valid",))


def test_no_validation_patients(store: CropStore) -> None:
    with pytest.raises(TrainingDataError, match="split validation: no patients"):
        check(changed(store, split=store.index["split"].replace("validation", "test")))


def test_no_train_patients(store: CropStore) -> None:
    with pytest.raises(TrainingDataError, match="split train: 0 patients"):
        check(changed(store, split=store.index["split"].replace("train", "test")))


@pytest.mark.parametrize("other", ["validation", "test"])
def test_a_patient_in_two_splits(store: CropStore, other: str) -> None:
    first = store.index["patient"] == store.index["patient"].iloc[0]
    split = store.index["split"].where(~first | (store.index["level"] != "L1"), other)
    with pytest.raises(
        TrainingDataError, match=f"1 patients are in more than one split .one is in train and in {other}"
    ):
        check(changed(store, split=split))


@pytest.mark.parametrize(("split", "device"), [("train", "Norland XR-46"), ("test", "")])
def test_a_dxa_device_of_no_known_scale(store: CropStore, split: str, device: str) -> None:
    """Test patients too: a training whose labels cannot be evaluated is not started."""
    devices = store.index["dxa_device"].mask(store.index["split"] == split, device)
    with pytest.raises(
        TrainingDataError, match=f"DXA device '{device}' .1 such. names no known scale; accepted: .* Hologic"
    ):
        check(changed(store, dxa_device=devices))


@pytest.mark.parametrize("column", ["bmd_g_cm2", "tbs", "kvp"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number(store: CropStore, column: str, value: float) -> None:
    values = store.index[column].copy()
    values.iloc[0] = value
    assert store.index["split"].iloc[0] == "train"
    with pytest.raises(TrainingDataError, match=f"split train, column {column}: 1 values"):
        check(changed(store, **{column: values}))


def test_a_target_that_is_the_same_everywhere(store: CropStore) -> None:
    with pytest.raises(TrainingDataError, match=r"column tbs: all values are 1\.3"):
        check(changed(store, tbs=pd.Series(1.3, index=store.index.index)))


def test_a_vendor_that_is_trained_on_but_not_validated_is_refused_or_warned_of(
    store: CropStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the ten patients one is in validation: number 5, on a Siemens scanner."""
    parts = CropDataset(store, ("train",)), CropDataset(store, ("validation",))
    with pytest.raises(
        TrainingDataError, match="split validation: no patient of vendor Canon, GE, Philips, which"
    ):
        check_trainable(*parts, absent_vendor="refuse")
    check_trainable(*parts, absent_vendor="warn")
    assert "no patient of vendor Canon, GE, Philips" in caplog.text
    one = changed(store, vendor="GE")
    check_trainable(CropDataset(one, ("train",)), CropDataset(one, ("validation",)), absent_vendor="refuse")


def test_params_yaml_refuses_to_train_on_a_vendor_without_validation_patients() -> None:
    assert load_train_params(Path(__file__).resolve().parents[2] / "params.yaml").absent_vendor == "refuse"
