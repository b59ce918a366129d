"""Leave one vendor out: the model has not seen the vendor, and is judged on its patients beside the one that has."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.crop_store import CropStore
from models.dataset import CropDataset
from models.errors import InputError
from pipelines.study.page import PAGE
from pipelines.study.trained import without_vendor
from pipelines.study.vendor_left_out import VendorError, vendors_of
from pipelines.study.vendor_study import run_vendors_left_out
from tests.crop_store_factory import make_store
from tests.pipelines.study.conftest import ROOT, quiet


@pytest.fixture
def store(tmp_path: Path) -> CropStore:
    return make_store(tmp_path / "store", 60, seed=3, offsets_mm=(0.0,))


def test_crops_keep_their_pixels_when_a_vendor_is_left_out(store: CropStore) -> None:
    rest = without_vendor(store, "GE")
    dataset = CropDataset(rest, ("train",))
    assert set(rest.index["vendor"]) == {"Siemens", "Philips", "Canon"}
    batch = dataset.batch(np.arange(len(dataset)))
    rows = store.index[(store.index["vendor"] != "GE") & (store.index["split"] == "train")].index
    assert list(batch.rows) == list(rows)
    assert np.array_equal(batch.crops.numpy(), np.asarray(store.hu)[rows])
    assert np.allclose(batch.labels.numpy()[:, 0], store.index.loc[rows, "bmd_g_cm2"])


def two_vendors(index: pd.DataFrame) -> pd.DataFrame:
    """Fewer trainings: four vendors become two."""
    return index.assign(vendor=index["vendor"].replace({"Siemens": "GE", "Philips": "Canon"}))


def one_heavy(index: pd.DataFrame) -> pd.DataFrame:
    """BMI 25 for all but one test patient of GE, who has 40."""
    of_ge = index.loc[(index["vendor"] == "GE") & (index["split"] == "test"), "patient"].iloc[0]
    return index.assign(bmi_kg_m2=np.where(index["patient"] == of_ge, 40.0, 25.0))


def changed(store: CropStore, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """The store with its index changed on disk."""
    change(store.index).to_parquet(folder / "store" / "index.parquet", index=False)
    return folder / "store"


def test_both_models_are_judged_on_the_same_patients_of_the_vendor(
    store: CropStore, tmp_path: Path, params_file: Path
) -> None:
    """One of GE's test patients has a BMI of 40, at which TBS is not judged."""
    data, out = changed(store, tmp_path, lambda index: one_heavy(two_vendors(index))), tmp_path / "out"
    log = tmp_path / "looks.jsonl"
    # as an earlier version wrote it
    log.write_text('{"data_version": "synthetic"}\n{"data_version": "other"}\n')
    result = run_vendors_left_out(
        data, out, params_file=params_file, profile="tiny", console=quiet(), look_log=log
    )
    assert [vendor.vendor for vendor in result.left_out] == ["Canon", "GE"]
    assert [vendor.test_looks for vendor in result.left_out] == [2, 2]  # the vendors share no patient
    assert len(log.read_text().splitlines()) == 4
    people = one_heavy(two_vendors(store.index)).drop_duplicates("patient")
    trained_on = people["split"].isin(["train", "validation"]).sum()
    for vendor in result.left_out:
        own = people[people["vendor"] == vendor.vendor]
        assert vendor.patients == (own["split"] == "test").sum()
        others = people.loc[people["vendor"] != vendor.vendor, "split"]
        assert vendor.train_patients == (others == "train").sum()
        assert vendor.validation_patients == (others == "validation").sum()
        r = {}
        for who in ("without", "with"):
            table = pd.read_parquet(out / "vendors" / vendor.vendor / who / "test" / "predictions.parquet")
            assert set(table["vendor"]) == {vendor.vendor}
            means = table.groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
            r[who] = np.corrcoef(means["bmd_pred_g_cm2"], means["bmd_l1_l4_g_cm2"])[0, 1]
        assert vendor.left_out["bmd"].value == pytest.approx(r["without"])
        assert vendor.full["bmd"].value == pytest.approx(r["with"])
        assert vendor.difference["bmd"].value == pytest.approx(r["without"] - r["with"], abs=1e-9)
        outside = (own["split"] == "test") & (own["bmi_kg_m2"] > 37)
        for metric in (vendor.left_out["tbs"], vendor.full["tbs"], vendor.difference["tbs"]):
            assert metric.n == vendor.patients - outside.sum() == vendor.patients - (vendor.vendor == "GE")
    weights = [path.read_bytes() for path in sorted(out.glob("**/weights.pt"))]
    assert len(set(weights)) == 3
    page = html.unescape((out / PAGE).read_text())
    assert "Measured on simulated phantoms" in page
    lost = {
        round(100 * (1 - (vendor.train_patients + vendor.validation_patients) / trained_on))
        for vendor in result.left_out
    }
    assert f"{' to '.join(map(str, sorted(lost)))} % fewer patients to train and stop on" in page
    assert "The change holds both effects" in page
    assert "looked at, this time included: Canon left out 2, GE left out 2." in page
    assert "GE left out of training" not in page  # it is a table, not a list of requirements
    assert all(f">{vendor}</th>" in page for vendor in ("Canon", "GE"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index: index.assign(vendor="GE"), "vendors GE; leaving one out needs at least 2"),
        (
            lambda index: index[~((index["vendor"] == "Canon") & (index["split"] == "test"))],
            "split test: no patient of vendor Canon",
        ),
        (
            lambda index: index[~((index["vendor"] != "GE") & (index["split"] == "validation"))],
            "without vendor GE nobody is left to stop on",
        ),
    ],
    ids=["one vendor", "vendor without test patients", "validation of one vendor"],
)
def test_what_cannot_be_left_out_is_refused(
    store: CropStore, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    index = change(store.index)
    altered = CropStore(store.header, store.hu, index)
    with pytest.raises(VendorError, match=words):
        vendors_of(altered, [altered])


def _first_patient(index: pd.DataFrame, split: str) -> pd.Series:
    return index["patient"] == index.loc[index["split"] == split, "patient"].iloc[0]


def _twice(index: pd.DataFrame) -> pd.DataFrame:
    someone = index.loc[index["split"] == "train", "patient"].iloc[0]
    return index.assign(patient=index["patient"].mask(_first_patient(index, "validation"), someone))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_twice, "1 patients stand in two splits"),
        (
            lambda index: index.assign(tbs=index["tbs"].mask(_first_patient(index, "train"))),
            "column tbs: 4 values are not finite",
        ),
        (lambda index: index.assign(bmd_g_cm2=0.9), "nothing to learn"),
        (
            lambda index: index[index["split"] != "validation"],
            "split validation: without vendor Canon nobody",
        ),
    ],
    ids=["patient in two splits", "NaN label", "constant target", "no validation"],
)
def test_a_store_that_cannot_be_trained_on_is_refused(
    store: CropStore,
    tmp_path: Path,
    params_file: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    words: str,
) -> None:
    keep_length(change(two_vendors(store.index)), store).to_parquet(
        tmp_path / "store" / "index.parquet", index=False
    )
    with pytest.raises(InputError, match=words):
        run_vendors_left_out(
            tmp_path / "store", tmp_path / "out", params_file=params_file, profile="tiny", console=quiet()
        )
    assert InputError.exit_code == 3


def keep_length(index: pd.DataFrame, store: CropStore) -> pd.DataFrame:
    """Rows that were taken out come back as calibration rows: the store's pixels stay as they are."""
    taken = store.index.drop(index.index).assign(split="calibration")
    return pd.concat([index, taken]).sort_index()


@pytest.mark.long
def test_on_the_command_line_a_folder_that_is_no_store_is_one_line_and_code_3(tmp_path: Path) -> None:
    command = ["study", "leave-one-vendor-out", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *command],
        cwd=ROOT,
        env={**os.environ, "OSTEOGATE_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "not a crop store" in line
    assert not (tmp_path / "out").exists()
