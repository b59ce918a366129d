"""The report's findings in sentences, every number of them a number of the report."""

from __future__ import annotations

from typing import NamedTuple

from models.evaluation.flag_counts import flag_counts
from models.evaluation.metric import Metric
from models.evaluation.page_rows import DIMENSIONS
from models.evaluation.report_file import EvaluationReport
from models.evaluation.vendors import strict_confidence

_FOUND = {
    "osteopenia": "low bone density",
    "osteoporosis": "osteoporosis",
    "impaired_tbs": "impaired microarchitecture",
}


def plain_words(report: EvaluationReport) -> tuple[str, ...]:
    """Sentences for people who read no statistics; a sentence whose number is not defined is left out."""
    parts = (
        _flags(report),
        _how_common(report),
        _estimates(report),
        _coverage_of_groups(report),
        _beside(report),
    )
    return tuple(sentence for part in parts for sentence in part if sentence)


def brackets(report: EvaluationReport) -> str:
    """What the brackets of a page hold."""
    said = f"Brackets hold {report.confidence:.0%} intervals".replace("%", " %")
    vendors = len(report.counts.test_by_vendor)
    if not any(_known(metric) for name, metric in report.patient.items() if name.startswith("worst_vendor.")):
        return f"{said}."
    strict = 100 * strict_confidence(report.confidence, vendors)
    return (
        f"{said}; those of the worst vendor {strict:.4g} % (Bonferroni: the worst was picked of {vendors})."
    )


def whom(flag_on: tuple[str, ...]) -> str:
    """Who is to be flagged, in words; 'low bone density' holds osteoporosis as well."""
    names = [name for name in _FOUND if name in flag_on]
    if "osteopenia" in names and "osteoporosis" in names:
        names.remove("osteoporosis")
    return " or ".join(_FOUND[name] for name in names) or "a finding that flags"


def _flags(report: EvaluationReport) -> list[str]:
    found, finding = report.patient, whom(report.flag_on)
    return [
        _say(found, "flag.share", "Of 100 people like these, {0} would be flagged to get a DXA scan{1}."),
        _say(found, "flag.ppv", f"Of 100 people flagged, {{0}} have {finding} by DXA{{1}}."),
        _say(
            found,
            "flag.npv",
            f"Of 100 people not flagged, {{0}} do not have {finding} by DXA{{1}}; the others are missed.",
        ),
        _say(
            found,
            "flag.osteoporosis_flagged",
            "Of 100 people with osteoporosis by DXA, {0} are flagged{1}.",
        ),
        _say(
            found,
            "flag.healthy_not_flagged",
            "Of 100 people with neither low bone density nor impaired microarchitecture by DXA, {0} are spared the "
            "scan{1}.",
        ),
    ]


def _how_common(report: EvaluationReport) -> list[str]:
    """What PPV, NPV and the share flagged rest on."""
    counts, finding = flag_counts(report), whom(report.flag_on)
    judged = counts.with_finding + counts.without_finding
    tested = report.counts.judged_patients["test"]
    lines = []
    if judged:
        lines.append(
            f"These shares hold where findings are as common as here, where {counts.with_finding} of {judged} "
            f"({counts.with_finding / judged:.0%}) have {finding} by DXA and "
            f"{report.counts.test_with_finding.get('osteoporosis', 0)} of {tested} have osteoporosis; where they are "
            "rarer, fewer of 100 flagged have one."
        )
    if counts.not_judged:
        lines.append(
            f"{counts.not_judged} of {tested} test patients are left out of the flag's sensitivity, specificity, PPV "
            "and NPV: their TBS is not judged, and their BMD shows no finding."
        )
    return lines


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


def _coverage_of_groups(report: EvaluationReport) -> list[str]:
    """Groups whose coverage differs from the nominal one, by the interval of the coverage."""
    nominal = report.frozen.interval_coverage
    lines = []
    for target in ("bmd", "tbs"):
        fewer, more, looked = [], [], 0
        for dimension, title in DIMENSIONS.items():
            for group, found in report.subgroups.get(dimension, {}).items():
                metric = found.metrics.get(f"{target}.interval_coverage")
                known = _known(metric)
                if metric is None or known is None:
                    continue
                looked += 1
                words = (
                    f"{title} {group}: {known.value:.1%} [{known.low:.1%}, {known.high:.1%}] of {metric.n}"
                )
                if known.high < nominal:
                    fewer.append(words)
                elif known.low > nominal:
                    more.append(words)
        said = [
            f"{side} in {', '.join(groups)}" for side, groups in (("fewer", fewer), ("more", more)) if groups
        ]
        if said:
            lines.append(
                f"Prediction intervals of {target.upper()} do not hold {nominal:.0%} in every group; they hold "
                f"{'; '.join(said)} ({looked} groups were looked at)."
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
            lines.append(f"For BMD the network is {verdict} {words}: its r is {_by(gain)}.")
    for name, given in (("hu", "trabecular HU"), ("bmd", "the true BMD (DXA)")):
        partial = report.patient.get(f"tbs.partial_r_given_{name}")
        known = _known(partial)
        if partial and known:
            more = "tells more of TBS than" if known.low > 0 else "is not shown to tell more of TBS than"
            lines.append(f"The TBS estimate {more} {given} does: partial r given {given} {partial.words()}.")
    return lines


class _Known(NamedTuple):
    value: float
    low: float
    high: float


def _known(metric: Metric | None) -> _Known | None:
    if metric is None or metric.value is None or metric.low is None or metric.high is None:
        return None
    return _Known(metric.value, metric.low, metric.high)


def _by(gain: _Known) -> str:
    """'larger by 0.05 [0.01, 0.09]', or 'smaller by' with every sign turned."""
    word, sides = "larger", tuple(gain)
    if gain.value < 0:
        word, sides = "smaller", (-gain.value, -gain.high, -gain.low)
    value, low, high = (round(side, 2) + 0.0 for side in sides)  # no '-0.00'
    return f"{word} by {value:.2f} [{low:.2f}, {high:.2f}]"


def _say(metrics: dict[str, Metric], name: str, sentence: str) -> str:
    metric = _known(metrics.get(name))
    if metric is None:
        return ""
    return sentence.format(f"{metric.value:.0%}"[:-1], f" (between {metric.low:.0%} and {metric.high:.0%})")
