"""What is wrong with the values of a crop store's index: one line, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.levels import LEVELS

REQUIRED_TEXTS: tuple[str, ...] = ("patient", "series", "vendor")
# above 0, at most; no X-ray tube of a CT reaches 300 kV
POSITIVE: dict[str, float] = {"kvp": 300.0, "slice_thickness_mm": np.inf, "pixel_spacing_mm": np.inf}


def index_fault(index: pd.DataFrame, columns: Mapping[str, str], splits: tuple[str, ...]) -> str | None:
    """The first fault of an index that has all its columns.

    Parameters
    ----------
    index
        One row per crop.
    columns
        Column name to `str` or a number's type (`models.crop_store.INDEX_COLUMNS`).
    splits
        Accepted values of column `split`.

    Returns
    -------
    str or None
        Names the column, how many rows are wrong, the first of them (rows are counted from 0) with its
        value, and what is accepted.
    """
    accepted = {"split": splits, "level": LEVELS}
    for name, kind in columns.items():
        values = index[name]
        if kind != "str":
            if values.dtype.kind not in "iuf":
                return f"column {name}: found {values.dtype}; accepted: numbers ({kind})"
            fault = _number_fault(values.to_numpy(dtype=np.float64), POSITIVE.get(name))
        else:
            fault = _text_fault(values, accepted.get(name), required=name in REQUIRED_TEXTS)
        if fault is not None:
            return f"column {name}: {fault}"
    return _split_fault(index) if {"patient", "split"} <= set(columns) else None


def _split_fault(index: pd.DataFrame) -> str | None:
    """One patient, one split: else a model is tested on whom it was trained on."""
    splits = index[["patient", "split"]].drop_duplicates()
    doubled = splits["patient"].duplicated().sum()
    return (
        f"column split: {doubled} patients stand in two splits; accepted: one split to a patient"
        if doubled
        else None
    )


def _number_fault(values: NDArray[np.float64], most: float | None) -> str | None:
    if most is None:
        return None
    fine = np.isfinite(values) & (values > 0) & (values <= most)
    words = "finite numbers above 0" + (f", at most {most:g}" if np.isfinite(most) else "")
    return _wrong_rows(fine, [f"{value:g}" for value in values[~fine][:1]], words)


def _text_fault(values: pd.Series, accepted: tuple[str, ...] | None, *, required: bool) -> str | None:
    found = values.to_numpy(dtype=object)
    if values.dtype == object:  # lists, say, which factorize cannot take
        values = values.map(lambda item: item if isinstance(item, str) else None)
    codes, distinct = pd.factorize(values)
    if accepted is not None:
        good, words = [item in accepted for item in distinct], ", ".join(accepted)
    else:
        good = [isinstance(item, str) and bool(item.strip() or not required) for item in distinct]
        words = "text that is not empty" if required else "text"
    may_be_missing = accepted is None and not required
    fine = np.array([*good, may_be_missing])[codes]  # a missing value has the code -1: the last
    return _wrong_rows(fine, [repr(item) for item in found[~fine][:1]], words)


def _wrong_rows(fine: NDArray[np.bool_], found: list[str], accepted: str) -> str | None:
    wrong = np.flatnonzero(~fine)
    if not wrong.size:
        return None
    return f"{wrong.size} rows are wrong, the first is row {wrong[0]} with {found[0]}; accepted: {accepted}"
