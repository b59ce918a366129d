"""The rules about the challenger alone: bounds, gains, the worst vendor, the coverage of its intervals."""

from __future__ import annotations

import math

from components.gate_promotion.outcome import Judgement
from components.gate_promotion.policy import BoundRule, CoverageRule, GainRule, VendorRule
from models.evaluation.coverage import conformal_band
from models.evaluation.flag_counts import flag_counts
from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport

ABSENT = "the report does not hold it"
EVALUATE_AGAIN = "evaluate the model again with this version: osteogate run"


def not_judged(why: str, change: str, metric: Metric | None = None) -> Judgement:
    """Neither passed nor failed."""
    return Judgement("not judged", f"not judged: {why}", metric, change=change)


def bound(report: EvaluationReport, key: str, rule: BoundRule) -> Judgement:
    """Lower bound of a metric."""
    metric = report.patient.get(key)
    if metric is None:
        return not_judged(ABSENT, EVALUATE_AGAIN)
    if metric.positives is not None:
        of_flag = key.startswith("flag.")
        without = flag_counts(report).without_finding if of_flag else metric.n - metric.positives
        if metric.positives < rule.minimum_with or without < rule.minimum_without:
            return not_judged(
                f"{metric.positives} test patients with and {without} without the finding, "
                f"{rule.minimum_with} and {rule.minimum_without} needed",
                "more test patients of the group that is short",
                metric,
            )
    return above(metric, rule.above, "")


def gain(report: EvaluationReport, over: str, key: str, rule: GainRule) -> Judgement:
    """Lower bound of the paired gain over a baseline."""
    metric = report.gains.get(over, {}).get(key)
    if metric is None:
        return not_judged(ABSENT, EVALUATE_AGAIN)
    return above(metric, rule.above, f" over the {over} regression")


def worst_bias(report: EvaluationReport, key: str, rule: VendorRule) -> Judgement:
    """The whole interval of each vendor's bias within plus and minus a bound."""
    found = _by_vendor(report, key, rule)
    if isinstance(found, Judgement):
        return found
    within = rule.bias_within[key]  # type: ignore[index]
    vendor, metric = max(found.items(), key=lambda item: _farthest(item[1]))
    text = f"{vendor}, the worst of {len(found)}: {metric.words(3)}, n={metric.n}"
    if _farthest(metric) < within:
        return Judgement("passed", f"{text}; within +-{within:.3f}", metric, -within, within)
    room = within - abs(float(metric.value or 0))
    change = _sooner_or_more(metric, room, _half_width(metric), f"within +-{within:.3f}", vendor)
    return Judgement("failed", f"{text}; not within +-{within:.3f}", metric, -within, within, change)


def worst_difference(report: EvaluationReport, key: str, rule: VendorRule) -> Judgement:
    """r of each vendor's patients minus r of all others, by bootstrap: lower bound above minus the margin."""
    target = key.partition(".")[0]
    found = _by_vendor(report, f"{target}.r_difference", rule)
    if isinstance(found, Judgement):
        return found
    margin = rule.r_margin[key]  # type: ignore[index]
    vendor, metric = min(found.items(), key=lambda item: float(item[1].low or 0))
    return above(metric, -margin, f" for {vendor}, the worst of {len(found)}, against all others", who=vendor)


def coverage(report: EvaluationReport, target: str, rule: CoverageRule) -> Judgement:
    """Observed coverage inside the exact band of an interval that keeps its promise."""
    metric = report.patient.get(f"{target}.interval_coverage")
    if metric is None:
        return not_judged(ABSENT, EVALUATE_AGAIN)
    if metric.value is None:
        return not_judged(str(metric.reason), EVALUATE_AGAIN, metric)
    calibrated = report.frozen.interval_patients.get(target, 0)
    if calibrated == 0:
        return not_judged(
            "how many calibration patients froze the interval is not known", EVALUATE_AGAIN, metric
        )
    nominal = report.frozen.interval_coverage
    fewest, most = conformal_band(metric.n, calibrated, nominal, rule.confidence)
    held = round(metric.value * metric.n)
    low, high = fewest / metric.n, most / metric.n
    words = (
        f"{held} of {metric.n} inside their {nominal:.0%} interval ({metric.value:.3f}); exact {rule.confidence:.0%} "
        f"band with {calibrated} calibration patients {fewest} to {most} ({low:.3f} to {high:.3f})"
    )
    if fewest <= held <= most:
        return Judgement("passed", f"{words}: inside", metric, low, high)
    narrow = held < fewest
    return Judgement(
        "failed",
        f"{words}: {'below' if narrow else 'above'} it",
        metric,
        low,
        high,
        f"the intervals are too {'narrow' if narrow else 'wide'} for the test patients: calibrate on patients like "
        "them (same vendors, same way of choosing), and on more of them",
    )


def above(metric: Metric, floor: float, over: str, *, who: str = "", digits: int = 2) -> Judgement:
    """The lower bound of an interval against a floor, which it must exceed."""
    if metric.value is None or metric.low is None:
        return not_judged(str(metric.reason), "a figure that is defined: see the reason", metric)
    holds = metric.low > floor
    relation = "above" if holds else "not above"
    change = _sooner_or_more(
        metric, metric.value - floor, metric.value - metric.low, f"above {floor:.2f}", who
    )
    return Judgement(
        "passed" if holds else "failed",
        f"{metric.words(digits)}{over}, n={metric.n}; lower bound {metric.low:.3f} is {relation} {floor:.2f}",
        metric,
        floor,
        None,
        None if holds else change,
    )


def _by_vendor(report: EvaluationReport, key: str, rule: VendorRule) -> dict[str, Metric] | Judgement:
    """Every vendor's metric, or why the worst of them is not known."""
    groups = report.subgroups.get("vendor", {})
    counted = report.counts.test_by_vendor
    if not groups or set(groups) != {vendor for vendor, n in counted.items() if n}:
        return not_judged("the report does not hold every vendor's figures", EVALUATE_AGAIN)
    untested = ", ".join(sorted(vendor for vendor, n in counted.items() if not n))
    if untested:
        return not_judged(f"no test patient of {untested}", f"test patients of {untested}")
    few = {name: group.n for name, group in groups.items() if group.n < rule.minimum_patients}
    if few:
        named = ", ".join(f"{n} of {name}" for name, n in few.items())
        return not_judged(
            f"{named}; {rule.minimum_patients} test patients of every vendor needed",
            f"more test patients of {', '.join(few)}",
        )
    if len(groups) < 2 and key.endswith(".r_difference"):
        return not_judged("one vendor only: no others to compare with", "test patients of another vendor")
    found = {name: group.metrics.get(key) for name, group in groups.items()}
    for name, metric in found.items():
        if metric is None or metric.value is None or metric.low is None:
            why = ABSENT if metric is None else str(metric.reason)
            return not_judged(f"{name}: {why}", f"a figure for {name} that is defined", metric)
    return {name: metric for name, metric in found.items() if metric is not None}


def _farthest(metric: Metric) -> float:
    """The bound farthest from 0."""
    return max(abs(float(metric.low or 0)), abs(float(metric.high or 0)))


def _half_width(metric: Metric) -> float:
    return _farthest(metric) - abs(float(metric.value or 0))


def _sooner_or_more(metric: Metric, room: float, half_width: float, bound: str, who: str = "") -> str:
    """A better figure, or the patients that would bring the bound in: an interval shrinks as 1 / sqrt(n)."""
    of = f" of {who}" if who else ""
    if room <= 0:
        return f"a better figure{of}: {metric.value:.3f} itself is not {bound}, however many patients it is measured on"
    needed = 10 * math.ceil(metric.n * (half_width / room) ** 2 / 10 + 1e-9)
    return (
        f"a better figure{of}; or, if it stays {metric.value:.3f}, about {needed} patients like these {metric.n}, so "
        f"that its interval is {bound}"
    )
