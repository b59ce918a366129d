"""The figures of the paper that the method comes from, as a reference column; not measured here.

doi 10.1097/RCT.0000000000001437: 402 patients of several vendors, test set of 52. The paper gives r and
rounded sensitivity and specificity; the intervals of r are Fisher's, computed from r and n. It gives no class
counts, so sensitivity and specificity stay without interval.
"""

from __future__ import annotations

from models.evaluation.correlation import fisher_interval
from models.params import Section

TEST_PATIENTS = 52


class PublishedFigure(Section):
    """A figure of the paper; `low` and `high` are None where no interval can be derived."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int = TEST_PATIENTS


def published_figures(confidence: float) -> dict[str, PublishedFigure]:
    """The paper's figures under the report's metric names."""
    figures = {}
    for name, r in (("bmd.pearson_r", 0.81), ("tbs.pearson_r", 0.54)):
        low, high = fisher_interval(r, TEST_PATIENTS, confidence)
        figures[name] = PublishedFigure(value=r, low=low, high=high)
    for finding, sensitivity, specificity in (
        ("osteopenia", 0.93, 0.90),
        ("osteoporosis", 1.00, 0.94),
        ("impaired_tbs", 0.73, 0.73),
    ):
        figures[f"{finding}.sensitivity"] = PublishedFigure(value=sensitivity)
        figures[f"{finding}.specificity"] = PublishedFigure(value=specificity)
    return figures
