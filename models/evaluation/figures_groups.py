"""Forest plots: every group beside all patients, and the network beside every baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from models.evaluation.baselines import BASELINES, CEILING
from models.evaluation.drawing import COLOURS, GREY, table_sheet, whisker
from models.evaluation.metric import Metric
from models.evaluation.page_rows import DIMENSIONS
from models.evaluation.report_file import EvaluationReport

ESTIMATES = (
    ("bmd.pearson_r", "BMD: r"),
    ("bmd.bias_g_cm2", "BMD: bias (g/cm²)"),
    ("tbs.pearson_r", "TBS: r"),
    ("tbs.bias", "TBS: bias"),
)
ANSWERS = (
    ("flag.sensitivity", "flag: sensitivity"),
    ("flag.specificity", "flag: specificity"),
    ("bmd.interval_coverage", "BMD: coverage"),
    ("tbs.interval_coverage", "TBS: coverage"),
)
GAINS = (
    ("bmd.pearson_r", "gain in BMD r"),
    ("tbs.pearson_r", "gain in TBS r"),
    ("osteoporosis.auc", "gain in AUC, osteoporosis"),
)


def group_estimates(report: EvaluationReport) -> Figure:
    """Correlation and bias by group."""
    return _forest(report, ESTIMATES, {})


def group_answers(report: EvaluationReport) -> Figure:
    """What patients would be told, by group."""
    nominal = report.frozen.interval_coverage
    return _forest(report, ANSWERS, {"bmd.interval_coverage": nominal, "tbs.interval_coverage": nominal})


def baseline_gains(report: EvaluationReport) -> Figure:
    """Network minus baseline, paired."""
    shown = [baseline for baseline in (*BASELINES, CEILING) if baseline.name in report.gains]
    figure = table_sheet(10, 1.3 + 0.34 * len(shown))
    for axes, (name, title) in zip(figure.subplots(1, len(GAINS), sharey=True), GAINS, strict=True):
        axes.axvline(0.0, color=GREY, linewidth=0.8)
        for row, baseline in enumerate(shown):
            if not whisker(axes, report.gains[baseline.name].get(name), row):
                axes.text(0.0, row, "not defined", fontsize=7, color=GREY, va="center")
        axes.set_title(title, fontsize=9.5)
    figure.axes[0].set_yticks(range(len(shown)), [baseline.title for baseline in shown], fontsize=8.5)
    figure.axes[0].set_ylim(len(shown) - 0.4, -0.6)
    for axes in figure.axes[1:]:
        axes.tick_params(axis="y", labelleft=False, length=0)
    return figure


def _forest(
    report: EvaluationReport, columns: Sequence[tuple[str, str]], nominal: Mapping[str, float]
) -> Figure:
    labels, rows = _rows(report)
    figure = table_sheet(10, 1.2 + 0.235 * len(labels))
    for axes, (name, title) in zip(figure.subplots(1, len(columns), sharey=True), columns, strict=True):
        whole = report.patient.get(name)
        if whole is not None and whole.value is not None:
            axes.axvline(whole.value, color=GREY, linewidth=0.8)
        if name in nominal:
            axes.axvline(nominal[name], color=GREY, linewidth=0.9, linestyle=":")
        for place, metrics in rows.items():
            whisker(axes, metrics.get(name), place, COLOURS[1] if place == 0 else COLOURS[0])
        axes.set_title(title, fontsize=9.5)
        axes.tick_params(axis="x", labelsize=8)
    figure.axes[0].set_yticks(list(labels), list(labels.values()), fontsize=8)
    figure.axes[0].set_ylim(max(labels) + 0.8, -0.8)
    for axes in figure.axes[1:]:
        axes.tick_params(axis="y", labelleft=False, length=0)
    return figure


def _rows(report: EvaluationReport) -> tuple[dict[float, str], dict[float, Mapping[str, Metric]]]:
    """Height -> label, and height -> metrics; a gap between dimensions, and a word where too few were judged."""
    place = 0.0
    labels = {place: f"all (n={report.counts.judged_patients['test']})"}
    metrics: dict[float, Mapping[str, Metric]] = {place: report.patient}
    for dimension, title in DIMENSIONS.items():
        place += 0.6
        for group, found in report.subgroups.get(dimension, {}).items():
            place += 1.0
            few = "" if found.reason is None else ", too few"
            labels[place] = f"{title}: {group} (n={found.n}{few})"
            metrics[place] = found.metrics
    return labels, metrics
