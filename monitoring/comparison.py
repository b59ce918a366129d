"""Which columns of one vendor can be compared, and the two frames as Evidently gets them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from monitoring.features import FEATURES, Feature, Kind


@dataclass(frozen=True)
class Comparison:
    """The two samples of one vendor, ready to be tested.

    Attributes
    ----------
    reference, current
        Numbers as float64, categories and missing-value marks as text.
    values
        Features whose values are tested.
    marks
        Features whose share of missing values is tested (column `<name> missing`).
    untestable
        Features whose values cannot be tested, and why.
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    values: tuple[Feature, ...]
    marks: tuple[Feature, ...]
    untestable: tuple[tuple[Feature, str], ...]

    @property
    def tests(self) -> int:
        """How many p-values this vendor adds to the family."""
        return len(self.values) + len(self.marks)


def mark_column(feature: Feature) -> str:
    """Column that says whether the feature's value is missing."""
    return f"{feature.name} missing"


def compare(reference: pd.DataFrame, current: pd.DataFrame, minimum: int) -> Comparison:
    """Prepare two samples of one vendor.

    Where any value of a feature is missing on either side, the share of missing values becomes a test of its
    own: a scanner that stops declaring something has changed. Values are tested when both sides have enough.
    """
    before, after = _typed(reference), _typed(current)
    values: list[Feature] = []
    marks: list[Feature] = []
    untestable: list[tuple[Feature, str]] = []
    for feature in FEATURES:
        known = int(before[feature.name].notna().sum()), int(after[feature.name].notna().sum())
        if known != (len(before), len(after)):
            marks.append(feature)
            for frame in (before, after):
                frame[mark_column(feature)] = np.where(frame[feature.name].isna(), "missing", "present")
        if min(known) >= minimum:
            values.append(feature)
        else:
            found = f"{known[1]} of {len(after)} studies, in the reference in {known[0]} of {len(before)}"
            untestable.append((feature, f"values in {found}; {minimum} needed in each"))
    return Comparison(before, after, tuple(values), tuple(marks), tuple(untestable))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    columns: dict[str, pd.Series] = {}
    for feature in FEATURES:
        column = frame[feature.name]
        if feature.kind is Kind.NUMBER:
            numbers = pd.to_numeric(column, errors="coerce").astype("float64")
            columns[feature.name] = numbers.where(np.isfinite(numbers))
        else:
            columns[feature.name] = _category(column)
    return pd.DataFrame(columns)


def _category(column: pd.Series) -> pd.Series:
    """Text of a category; a number as 120 rather than 120.0; missing stays missing."""
    text = [
        None if pd.isna(item) else f"{item:g}" if isinstance(item, float) else str(item) for item in column
    ]
    return pd.Series(text, dtype="object")
