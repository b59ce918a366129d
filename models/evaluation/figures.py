"""Figures of the evaluation report, as SVG text (drawn without any window system)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib.figure import Figure

from models.bone_reference import ScalesParams
from models.evaluation.drawing import STYLE, svg
from models.evaluation.figures_agreement import bland_altman, calibration, scatter
from models.evaluation.figures_decision import decision_curve, roc
from models.evaluation.figures_groups import baseline_gains, group_answers, group_estimates
from models.evaluation.figures_saliency import saliency_maps
from models.evaluation.report import Evaluation
from models.saliency import Attribution

CAPTIONS = {
    "scatter.svg": "Estimate against DXA, one point per test patient. Solid: identity; dotted: published cuts; dashed: "
    "frozen cut-offs.",
    "bland_altman.svg": "Bland-Altman: bias and 95 % limits of agreement, each with its interval (grey).",
    "calibration.svg": "Calibration: mean DXA value of equal parts of the patients, by estimate, with its interval; "
    "line: regression of DXA on estimate.",
    "roc.svg": "ROC curves of the network and of two baselines; the dot is the cut-off frozen beforehand.",
    "group_estimates.svg": "By group: correlation and bias, with intervals; the grey line is all patients' value.",
    "group_answers.svg": "By group: the flag's sensitivity and specificity, and how many prediction intervals hold the "
    "DXA value (dotted: nominal).",
    "baselines.svg": "Network minus baseline on the same patients, with paired intervals; right of 0 the network is "
    "better.",
    "decision.svg": "Decision curves: net benefit per patient, and DXA scans per patient found.",
    "saliency.svg": "Integrated gradients of four crops. Outlined: the vertebral body. Red raises the estimate, blue "
    "lowers it.",
}


def draw_figures(
    evaluation: Evaluation, scales: ScalesParams, attributions: Sequence[Attribution] = ()
) -> dict[str, str]:
    """File name -> SVG text, in reading order."""
    with matplotlib.rc_context(STYLE):
        return {
            name: svg(figure, evaluation.report.statement)
            for name, figure in _figures(evaluation, scales, attributions)
        }


def _figures(
    evaluation: Evaluation, scales: ScalesParams, attributions: Sequence[Attribution]
) -> Iterator[tuple[str, Figure]]:
    report = evaluation.report
    test = evaluation.tables.patients[evaluation.tables.patients["split"] == "test"]
    yield "scatter.svg", scatter(report, test, scales)
    yield "bland_altman.svg", bland_altman(report, test)
    yield "calibration.svg", calibration(report, test)
    yield "roc.svg", roc(evaluation, test, scales)
    yield "group_estimates.svg", group_estimates(report)
    yield "group_answers.svg", group_answers(report)
    yield "baselines.svg", baseline_gains(report)
    if any(curves.reason is None for curves in report.decision_curves.values()):
        yield "decision.svg", decision_curve(report)
    if attributions:
        yield "saliency.svg", saliency_maps(attributions, evaluation.rules.geometry)
