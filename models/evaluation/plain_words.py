"""The report's findings in sentences, every number of them a number of the report."""

from __future__ import annotations

from typing import NamedTuple

from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport


def plain_words(report: EvaluationReport) -> tuple[str, ...]:
    """Sentences for people who read no statistics; a sentence whose number is not defined is left out."""
    return tuple(
        sentence for sentence in (*_flags(report), *_estimates(report), *_beside(report)) if sentence
    )


def _flags(report: EvaluationReport) -> list[str]:
    found = report.patient
    whom = "low bone density or impaired microarchitecture"
    return [
        _say(found, "flag.share", "Of 100 people like these, {0} would be flagged to get a DXA scan{1}."),
        _say(found, "flag.ppv", f"Of 100 people flagged, {{0}} have {whom} by DXA{{1}}."),
        _say(
            found,
            "flag.npv",
            f"Of 100 people not flagged, {{0}} have no {whom} by DXA{{1}}; the others are missed.",
        ),
        _say(
            found,
            "flag.osteoporosis_flagged",
            "Of 100 people with osteoporosis by DXA, {0} are flagged{1}.",
        ),
        _say(
            found,
            "flag.healthy_not_flagged",
            "Of 100 people with neither finding, {0} are spared the scan{1}.",
        ),
    ]


def _estimates(report: EvaluationReport) -> list[str]:
    found, lines = report.patient, []
    mae, low, high = (_known(found.get(f"bmd.{name}_g_cm2")) for name in ("mae", "loa_low", "loa_high"))
    if mae and low and high:
        lines.append(
            f"Estimated BMD lies {mae.value:.3f} g/cm² from DXA on average; for 95 of 100 people the "
            f"estimate less DXA lies between {low.value:.3f} and {high.value:.3f}."
        )
    lines.append(
        _say(
            found,
            "bmd.interval_coverage",
            f"Of 100 prediction intervals meant to hold {report.frozen.interval_coverage:.0%} of DXA values, {{0}} did "
            "for BMD{1}.",
        )
    )
    return lines


def _beside(report: EvaluationReport) -> list[str]:
    lines = []
    for name, words in (
        ("hu", "trabecular HU alone"),
        ("hu_age_sex_bmi", "trabecular HU with age, sex and BMI"),
    ):
        gain = _known(report.gains.get(name, {}).get("bmd.pearson_r"))
        if gain:
            verdict = (
                "better than"
                if gain.low > 0
                else "worse than"
                if gain.high < 0
                else "not shown to be better than"
            )
            lines.append(
                f"For BMD the network is {verdict} {words}: its r is larger by {gain.value:.2f} "
                f"[{gain.low:.2f}, {gain.high:.2f}]."
            )
    partial = report.patient.get("tbs.partial_r_given_hu")
    known = _known(partial)
    if partial and known:
        more = (
            "tells more than density does" if known.low > 0 else "is not shown to tell more than density does"
        )
        lines.append(f"The TBS estimate {more}: partial r given trabecular HU {partial.words()}.")
    return lines


class _Known(NamedTuple):
    value: float
    low: float
    high: float


def _known(metric: Metric | None) -> _Known | None:
    if metric is None or metric.value is None or metric.low is None or metric.high is None:
        return None
    return _Known(metric.value, metric.low, metric.high)


def _say(metrics: dict[str, Metric], name: str, sentence: str) -> str:
    metric = _known(metrics.get(name))
    if metric is None:
        return ""
    return sentence.format(f"{metric.value:.0%}"[:-1], f" (between {metric.low:.0%} and {metric.high:.0%})")
