"""A damaged crop store is refused when it is opened, in one line that says what is accepted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.crop_store import CropStoreError, open_crop_store
from tests.crop_store_factory import make_store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "crops"
    make_store(folder, patients=2, pixels=32)
    return folder


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "crops"))


def refusal(store: Path) -> str:
    with pytest.raises(CropStoreError) as caught:
        open_crop_store(store)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("length", [0, 5, 100, 4000])
def test_pixels_cut_short(store: Path, length: int) -> None:
    file = store / "hu.npy"
    file.write_bytes(file.read_bytes()[:length])
    assert "not a crop store" in refusal(store)


def test_pixels_in_a_zip(store: Path) -> None:
    np.savez(store / "other.npz", hu=np.zeros((16, 3, 32, 32), np.int16))
    (store / "other.npz").replace(store / "hu.npy")
    assert "not a crop store" in refusal(store)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((), np.int16),
        ((16, 32, 32), np.int16),
        ((16, 3, 16, 16), np.int16),
        ((16, 2, 32, 32), np.int16),
        ((16, 3, 32, 32), np.float32),
        ((16, 3, 32, 32), np.uint16),
    ],
)
def test_pixels_of_another_shape_or_type(store: Path, shape: tuple[int, ...], kind: type) -> None:
    np.save(store / "hu.npy", np.zeros(shape, kind))
    message = refusal(store)
    assert f"hu.npy: found {np.dtype(kind)} of shape {shape}" in message
    assert "accepted: int16 of shape (16, 3, 32, 32)" in message


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("vendor", None, "2 rows are wrong, the first is row 3 with nan; accepted: text that is not empty"),
        ("patient", None, "2 rows are wrong, the first is row 3 with nan"),
        ("series", " ", "2 rows are wrong, the first is row 3 with ' '"),
        ("level", "L5", "the first is row 3 with 'L5'; accepted: L1, L2, L3, L4"),
        ("split", "Test", "the first is row 3 with 'Test'; accepted: train, validation, calibration, test"),
        ("split", None, "2 rows are wrong, the first is row 3"),
        ("kvp", 1e9, "the first is row 3 with 1e+09; accepted: finite numbers above 0, at most 300"),
        ("kvp", -120.0, "the first is row 3 with -120"),
        ("slice_thickness_mm", 0.0, "the first is row 3 with 0; accepted: finite numbers above 0"),
        ("pixel_spacing_mm", np.nan, "the first is row 3 with nan"),
        ("pixel_spacing_mm", np.inf, "the first is row 3 with inf"),
    ],
)
def test_values_that_no_crop_has(store: Path, column: str, value: Any, words: str) -> None:
    index = pd.read_parquet(store / "index.parquet")
    index.loc[[3, 7], column] = value
    index.to_parquet(store / "index.parquet", index=False)
    message = refusal(store)
    assert f"index.parquet: column {column}: " in message
    assert words in message


@pytest.mark.parametrize("column", ["age_years", "kvp", "tbs"])
@pytest.mark.parametrize("values", ["sixty", True])
def test_a_column_of_numbers_that_holds_none(store: Path, column: str, values: Any) -> None:
    index = pd.read_parquet(store / "index.parquet").assign(**{column: values})
    index.to_parquet(store / "index.parquet", index=False)
    assert f"column {column}: found {index[column].dtype}; accepted: numbers (float64)" in refusal(store)


@pytest.mark.parametrize(("column", "value"), [("vendor", 7), ("sex", 1.0), ("patient", [["a"]] * 16)])
def test_a_column_of_texts_that_holds_none(store: Path, column: str, value: Any) -> None:
    index = pd.read_parquet(store / "index.parquet").assign(**{column: value})
    index.to_parquet(store / "index.parquet", index=False)
    assert f"column {column}: 16 rows are wrong, the first is row 0 with " in refusal(store)


def test_a_patient_in_two_splits(store: Path) -> None:
    index = pd.read_parquet(store / "index.parquet").assign(split="train")
    index.loc[15, "split"] = "test"
    index.to_parquet(store / "index.parquet", index=False)
    assert "column split: 1 patients stand in two splits; accepted: one split to a patient" in refusal(store)


def test_whole_numbers_and_a_missing_kernel_are_accepted(store: Path) -> None:
    index = pd.read_parquet(store / "index.parquet").assign(kvp=120, kernel=None, bmi_kg_m2=np.nan)
    index.to_parquet(store / "index.parquet", index=False)
    assert len(open_crop_store(store).index) == 16


def test_row_labels_of_the_writers_own_are_not_taken_for_positions(store: Path) -> None:
    index = pd.read_parquet(store / "index.parquet")
    index.set_axis(range(len(index), 0, -1)).to_parquet(store / "index.parquet")
    found = open_crop_store(store).index
    assert list(found.index) == list(range(len(index)))
    assert (found["patient"].to_numpy() == index["patient"].to_numpy()).all()
