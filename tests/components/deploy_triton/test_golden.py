"""The golden set: which crops, and what counts as agreement."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest

from components.deploy_triton.client import Prediction, TritonClient
from components.deploy_triton.golden import (
    GoldenMismatchError,
    GoldenSet,
    GoldenSetError,
    check_golden,
    read_golden,
    select_golden,
    write_golden,
)
from components.deploy_triton.params import DeployParams
from models.crop_store import CropStore

PARAMS = DeployParams(golden_bmd_g_cm2=0.001, golden_tbs=0.001)


class Answers:
    """A client whose server answers with fixed numbers."""

    url, model = "127.0.0.1:8001", "osteogate"

    def __init__(self, bmd: float, tbs: float) -> None:
        self.bmd, self.tbs = bmd, tbs

    def predict(self, crops: np.ndarray, acquisition: np.ndarray, *, version: str = "") -> Prediction:
        count = len(crops)
        return Prediction(np.full(count, self.bmd, np.float32), np.full(count, self.tbs, np.float32), "5")


def golden() -> GoldenSet:
    crops = np.zeros((2, 3, 8, 8), np.int16)
    return GoldenSet(crops, np.ones((2, 3), np.float32), np.float32([1, 1]), np.float32([1.3, 1.3]))


def check(bmd: float, tbs: float) -> float:
    return check_golden(cast(TritonClient, Answers(bmd, tbs)), golden(), PARAMS).bmd_difference_g_cm2


def test_agreement_within_tolerance_is_reported() -> None:
    assert check(1.0005, 1.3) == pytest.approx(0.0005, abs=1e-6)


@pytest.mark.parametrize(
    ("bmd", "tbs", "name"), [(1.002, 1.3, "BMD"), (1.0, 1.297, "TBS"), (np.nan, 1.3, "BMD")]
)
def test_difference_beyond_tolerance_is_refused(bmd: float, tbs: float, name: str) -> None:
    with pytest.raises(GoldenMismatchError, match=f"{name}.*version 5|version 5.*{name}"):
        check(bmd, tbs)


def test_golden_set_survives_the_disk(tmp_path: Path) -> None:
    write_golden(golden(), tmp_path / "golden.npz")
    read = read_golden(tmp_path / "golden.npz")
    assert read.crops.dtype == np.int16
    np.testing.assert_array_equal(read.tbs, golden().tbs)


def test_damaged_golden_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "golden.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(GoldenSetError, match="not a golden set"):
        read_golden(tmp_path / "golden.npz")


def test_central_crops_of_unseen_patients_with_vendors_in_turn() -> None:
    rows = [
        ("train", 0.0, "GE"),
        ("test", 0.0, "GE"),
        ("test", 0.0, "GE"),
        ("test", 6.0, "Siemens"),
        ("calibration", 0.0, "Siemens"),
        ("validation", 0.0, "Canon"),
        ("test", 0.0, "Philips"),
    ]
    index = pd.DataFrame(rows, columns=["split", "lateral_offset_mm", "vendor"])
    store = cast(CropStore, type("Store", (), {"index": index})())
    assert select_golden(store, 3).tolist() == [1, 6, 4]  # GE, Philips, Siemens
    assert select_golden(store, 9).tolist() == [1, 6, 4, 2]
    with pytest.raises(GoldenSetError, match="no central crop"):
        select_golden(cast(CropStore, type("Store", (), {"index": index[:1]})()), 3)
