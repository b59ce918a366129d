"""The Evidently report of one vendor: built, saved, and read for its verdict."""

from __future__ import annotations

import html
from datetime import datetime
from pathlib import Path
from typing import Any

from evidently import DataDefinition, Dataset, Report
from evidently.metrics import QuantileValue, ValueDrift

from monitoring.category_test import register
from monitoring.comparison import Comparison, mark_column
from monitoring.features import Feature, Kind
from monitoring.verdict import FeatureVerdict

KOLMOGOROV_SMIRNOV = "ks"  # named, so that Evidently never chooses by sample size


def run_report(
    comparison: Comparison, threshold: float, vendor: str, moment: datetime, notice: str = ""
) -> Any:
    """Evidently's snapshot of one vendor, every column with its own test and the family's threshold.

    Parameters
    ----------
    notice
        What must be said wherever the report is shown; a tag in Evidently's own pages.

    Returns
    -------
    evidently.core.report.Snapshot
    """
    chi_square = register()
    metrics: list[Any] = []
    numbers: list[str] = []
    categories: list[str] = []
    for feature in comparison.values:
        test = KOLMOGOROV_SMIRNOV if feature.kind is Kind.NUMBER else chi_square
        metrics.append(ValueDrift(column=feature.name, method=test, threshold=threshold))
        (numbers if feature.kind is Kind.NUMBER else categories).append(feature.name)
    for feature in comparison.marks:
        metrics.append(ValueDrift(column=mark_column(feature), method=chi_square, threshold=threshold))
        categories.append(mark_column(feature))
    # medians for the time lines of the dashboard; they are shown, not tested
    metrics.extend(QuantileValue(column=name, quantile=0.5, tests=[]) for name in numbers)
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    used = [*numbers, *categories]
    return Report(metrics, include_tests=True).run(
        Dataset.from_pandas(comparison.current[used], data_definition=definition),
        Dataset.from_pandas(comparison.reference[used], data_definition=definition),
        timestamp=moment,
        metadata={"vendor": vendor},
        tags=[vendor, notice] if notice else [vendor],
        name=f"{vendor} {moment:%Y-%m-%d %H:%M}",
    )


def save_report(snapshot: Any, folder: Path, stem: str, notice: str = "") -> str:
    """Write `<stem>.html` (with the notice on top) and `<stem>.json`, renamed in when whole; the page's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, write in ((".html", snapshot.save_html), (".json", snapshot.save_json)):
        partial = folder / f".{stem}{suffix}.partial"
        write(str(partial))
        if suffix == ".html" and notice:
            _put_notice(partial, notice)
        partial.replace(folder / f"{stem}{suffix}")
    return f"{stem}.html"


def _put_notice(page: Path, notice: str) -> None:
    text = page.read_text(encoding="utf-8")
    words = f'<body><p style="margin:1em;font:600 16px sans-serif">{html.escape(notice)}</p>'
    page.write_text(text.replace("<body>", words, 1), encoding="utf-8")


def read_verdicts(snapshot: Any, comparison: Comparison) -> tuple[FeatureVerdict, ...]:
    """Every feature's verdict out of the report: its p-value, and drifted where Evidently's test failed."""
    document = snapshot.dict()
    drifts = {
        metric["config"]["column"]: metric
        for metric in document["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    failed = {
        test["metric_config"]["params"]["column"] for test in document["tests"] if test["status"] == "FAIL"
    }
    verdicts = [_verdict(feature, drifts, failed, comparison) for feature in comparison.values]
    verdicts += [_verdict(feature, drifts, failed, comparison, missing=True) for feature in comparison.marks]
    for feature, reason in comparison.untestable:
        counts = _counts(comparison, feature.name)
        verdicts.append(
            FeatureVerdict(
                feature.name, feature.label, feature.group, "", None, False, *counts, "", "", note=reason
            )
        )
    return tuple(verdicts)


def _verdict(
    feature: Feature,
    drifts: dict[str, Any],
    failed: set[str],
    comparison: Comparison,
    *,
    missing: bool = False,
) -> FeatureVerdict:
    column = mark_column(feature) if missing else feature.name
    metric = drifts[column]
    return FeatureVerdict(
        name=feature.name,
        label=feature.label,
        group=feature.group,
        test=metric["config"]["method"],
        p_value=float(metric["value"]),
        drifted=column in failed,
        reference_n=_counts(comparison, column)[0],
        current_n=_counts(comparison, column)[1],
        reference_typical=_typical(comparison.reference[column], feature, missing),
        current_typical=_typical(comparison.current[column], feature, missing),
        missing=missing,
    )


def _counts(comparison: Comparison, column: str) -> tuple[int, int]:
    return int(comparison.reference[column].notna().sum()), int(comparison.current[column].notna().sum())


def _typical(column: Any, feature: Feature, missing: bool) -> str:
    if missing:
        return f"{int((column == 'missing').sum())} of {len(column)}"
    unit = f" {feature.unit}" if feature.unit else ""
    if feature.kind is Kind.NUMBER:
        return f"{column.median():.{feature.digits}f}{unit}"
    shares = column.value_counts(normalize=True)
    return f"{shares.index[0]}{unit} in {shares.iloc[0]:.0%}"
