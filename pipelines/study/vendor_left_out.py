"""Leave one vendor out: a model that never saw a vendor, judged on its patients beside the model that did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from components.evaluate_model.look_log import note_look
from models.artefact import LoadedModel
from models.bone_reference import ScalesParams
from models.crop_store import CropStore
from models.errors import InputError
from models.evaluation.correlation import pearson_r
from models.evaluation.measures import gain_in_r, pairs
from models.evaluation.metric import Metric
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import measured_tables
from models.params import Section
from models.train_params import TrainParams
from pipelines.study.trained import only_vendor, predicted, trained, without_vendor

TARGETS = ("bmd", "tbs")


class VendorError(InputError):
    """A vendor cannot be left out: no patient to judge, or nobody left to train on."""


class VendorLeftOut(Section):
    """One vendor; metrics by target ('bmd', 'tbs'), all on the same test patients of that vendor.

    Attributes
    ----------
    patients
        Test patients of the vendor.
    train_patients, validation_patients
        Patients of other vendors that the model without this vendor was trained on, and stopped on (None in files
        that count both as `train_patients`).
    test_looks
        How often any of these test patients was looked at, this time included; None when no log is kept.
    left_out, full
        Pearson r of the model without this vendor, and of the model that was trained on all.
    difference
        r without minus r with the vendor, by paired bootstrap over patients.
    """

    vendor: str
    patients: int
    train_patients: int
    validation_patients: int | None = None
    test_looks: int | None = None
    left_out: dict[str, Metric]
    full: dict[str, Metric]
    difference: dict[str, Metric]


def vendors_of(training: CropStore, tests: Sequence[CropStore]) -> tuple[str, ...]:
    """Vendors that can be left out of these stores, in order; raises as `leavable`."""
    return leavable(training.index, [test.index for test in tests])


def leavable(training: pd.DataFrame, tests: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """Vendors that can be left out, in order.

    Parameters
    ----------
    training, tests
        Columns vendor and split, a row a patient or a crop.

    Raises
    ------
    VendorError
        Fewer than two vendors to train on, one that no test patient has, or one without whom nobody is left to stop
        on.
    """
    trained_on = sorted(set(training.loc[training["split"] == "train", "vendor"]))
    if len(trained_on) < 2:
        raise VendorError(
            f"split train: vendors {', '.join(trained_on) or 'none'}; leaving one out needs at least 2"
        )
    tested = {vendor for test in tests for vendor in set(test.loc[test["split"] == "test", "vendor"])}
    absent = [vendor for vendor in trained_on if vendor not in tested]
    if absent:
        raise VendorError(f"split test: no patient of vendor {', '.join(absent)}; add test patients of it")
    stopped_on = set(training.loc[training["split"] == "validation", "vendor"])
    for vendor in trained_on:
        if not stopped_on - {vendor}:
            raise VendorError(
                f"split validation: without vendor {vendor} nobody is left to stop on; add validation patients"
            )
    return tuple(trained_on)


def leave_vendor_out(
    vendor: str,
    *,
    training: CropStore,
    tests: dict[str, CropStore],
    full: LoadedModel,
    train: TrainParams,
    evaluate: EvaluateParams,
    scales: ScalesParams,
    folder: Path,
    console: Console,
    commit: str | None,
    look_log: Path | None = None,
) -> VendorLeftOut:
    """Train without one vendor and judge both models on all test patients of that vendor.

    Parameters
    ----------
    training
        Splits train and validation.
    tests
        Test cohorts by name; their patients of the vendor are taken together.
    full
        The model trained on all vendors, on the same `training`.
    scales
        For the BMI range that TBS is judged in.
    look_log
        As in `components.evaluate_model.run.run`.
    """
    rest = without_vendor(training, vendor)
    model = trained(rest, train, folder / "training", f"train without {vendor}", console, commit)
    tables = {
        who: _patients(judge, vendor, tests, evaluate, scales, folder / who, console)
        for who, judge in (("without", model), ("with", full))
    }
    looks = None
    if look_log is not None:
        looks = note_look(
            look_log,
            tables["without"]["patient"],
            data_version=" + ".join(store.header.data_version for store in tests.values()),
            weights_sha256=model.card.weights_sha256,
        )
    confidence = evaluate.confidence

    def r(who: str) -> dict[str, Metric]:
        both = {target: pairs(tables[who], target) for target in TARGETS}
        return {target: pearson_r(data.truth, data.predicted, confidence) for target, data in both.items()}

    return VendorLeftOut(
        vendor=vendor,
        patients=len(tables["with"]),
        train_patients=model.card.patients["train"],
        validation_patients=model.card.patients["validation"],
        test_looks=looks,
        left_out=r("without"),
        full=r("with"),
        difference={
            target: gain_in_r(tables["without"], tables["with"], target, evaluate.resampling)
            for target in TARGETS
        },
    )


def _patients(
    model: LoadedModel,
    vendor: str,
    tests: dict[str, CropStore],
    evaluate: EvaluateParams,
    scales: ScalesParams,
    folder: Path,
    console: Console,
) -> pd.DataFrame:
    """One row per test patient of the vendor, with the model's estimates."""
    crops = [
        predicted(model, only_vendor(store, vendor), ("test",), folder / name, f"{vendor}, {name}", console)
        for name, store in tests.items()
    ]
    return measured_tables(pd.concat(crops, ignore_index=True), evaluate.minimum_levels, scales).patients
