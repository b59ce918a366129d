"""What a study must show, requirement by requirement: measured, interval, bound, met or not."""

from __future__ import annotations

from typing import Literal

from models.evaluation.metric import Metric, undefined
from models.evaluation.report_file import EvaluationReport
from models.evaluation.saliency_facts import JUDGED, LEAST_RATIO, SaliencyFacts
from models.params import Section
from pipelines.study.params import StudyBounds
from pipelines.study.vendor_left_out import VendorLeftOut

TITLES = {"bmd": "BMD", "tbs": "TBS"}


class Requirement(Section):
    """One requirement as judged.

    Attributes
    ----------
    name
        Of the metric.
    title
        For people.
    judged_by
        Whether the value itself is held to the bound, or the lower end of its interval.
    least, most
        Bounds; None where there is none.
    met
        None when nothing could be judged: that is not met, and says why in `measured.reason`.
    note
        What a reader should know beside it: what the cohort's own ceiling reaches, say.
    """

    name: str
    title: str
    measured: Metric
    judged_by: Literal["value", "lower bound"]
    least: float | None = None
    most: float | None = None
    met: bool | None
    note: str = ""

    @property
    def bound(self) -> str:
        """The bound in words."""
        parts = []
        if self.least is not None:
            sign = "≥" if self.judged_by == "value" else ">"
            parts.append(f"{sign} {self.least:g}")
        if self.most is not None:
            parts.append(f"≤ {self.most:g}")
        return f"{self.judged_by} {' and '.join(parts)}"


def requirement(
    name: str,
    title: str,
    measured: Metric,
    *,
    least: float | None = None,
    most: float | None = None,
    lower_bound: bool = False,
    note: str = "",
) -> Requirement:
    """Judge a metric: its value against closed bounds, or its interval's lower end against an open one."""
    judged = measured.low if lower_bound else measured.value
    met = None
    if judged is not None and lower_bound:
        met = least is not None and judged > least
    elif judged is not None:
        met = (least is None or judged >= least) and (most is None or judged <= most)
    return Requirement(
        name=name,
        title=title,
        measured=measured,
        judged_by="lower bound" if lower_bound else "value",
        least=least,
        most=most,
        met=met,
        note=note,
    )


def cohort_requirements(report: EvaluationReport, bounds: StudyBounds) -> tuple[Requirement, ...]:
    """The requirements that each test cohort is held to by itself."""
    ceiling, hu = report.baselines.get("ceiling", {}), report.baselines.get("hu", {})
    over_ceiling = report.gains.get("ceiling", {})
    low, high = bounds.coverage
    of_network = report.patient
    return (
        requirement(
            "bmd.share_of_ceiling",
            "BMD: r as a share of the cohort's own ceiling",
            _metric(over_ceiling, "bmd.share_of_ceiling"),
            least=bounds.bmd_share_of_ceiling,
            note=_r_note("the ceiling's r", ceiling, "bmd"),
        ),
        requirement(
            "bmd.pearson_r", "BMD: Pearson r", _metric(of_network, "bmd.pearson_r"), least=bounds.bmd_r
        ),
        requirement(
            "gain.hu_age_sex_bmi.bmd.pearson_r",
            "BMD: gain in r over HU with age, sex and BMI",
            _metric(report.gains.get("hu_age_sex_bmi", {}), "bmd.pearson_r"),
            least=0.0,
            lower_bound=True,
            note=_r_note("that regression's r", report.baselines.get("hu_age_sex_bmi", {}), "bmd"),
        ),
        requirement(
            "gain.hu.bmd.pearson_r",
            "BMD: gain in r over HU alone",
            _metric(report.gains.get("hu", {}), "bmd.pearson_r"),
            least=bounds.bmd_gain_over_hu,
            note=_most_possible(hu, ceiling),
        ),
        requirement(
            "osteoporosis.auc",
            "Osteoporosis: AUC",
            _metric(of_network, "osteoporosis.auc"),
            least=bounds.osteoporosis_auc,
            note=_auc_note(ceiling),
        ),
        requirement(
            "tbs.share_of_ceiling",
            "TBS: r as a share of the cohort's own ceiling",
            _metric(over_ceiling, "tbs.share_of_ceiling"),
            least=bounds.tbs_share_of_ceiling,
            note=_r_note("the ceiling's r", ceiling, "tbs"),
        ),
        requirement(
            "tbs.partial_r_given_hu",
            "TBS: partial correlation given HU",
            _metric(of_network, "tbs.partial_r_given_hu"),
            least=0.0,
            lower_bound=True,
        ),
        *(
            requirement(
                f"{target}.interval_coverage",
                f"{title}: share inside its prediction interval",
                _metric(of_network, f"{target}.interval_coverage"),
                least=low,
                most=high,
            )
            for target, title in TITLES.items()
        ),
        *(body_requirement(report.saliency, target, title) for target, title in TITLES.items()),
    )


def body_requirement(saliency: SaliencyFacts | None, target: str, title: str) -> Requirement:
    """How much more the answer moves with the vertebral body than with what surrounds it."""
    metrics = saliency.metrics if saliency else {}
    name = f"{target}.{JUDGED}"
    return requirement(
        f"saliency.{name}",
        f"{title}: change with the vertebral body replaced, over change with its surroundings replaced",
        _metric(metrics, name),
        least=LEAST_RATIO,
        note="; ".join(
            f"replaced by {other.removeprefix(f'{target}.')}: {metric.words()}"
            for other, metric in metrics.items()
            if other.startswith(f"{target}.") and other != name
        ),
    )


def vendor_requirements(left_out: tuple[VendorLeftOut, ...], bounds: StudyBounds) -> tuple[Requirement, ...]:
    """What leaving a vendor out of training may cost on that vendor's patients."""
    return tuple(
        requirement(
            f"left_out.{vendor.vendor}.{target}.pearson_r",
            f"{title}: {vendor.vendor} left out of training, change in r on its patients",
            vendor.difference[target],
            least=-bounds.vendor_loss,
            note=f"r {vendor.left_out[target].words()} without, {vendor.full[target].words()} with {vendor.vendor}",
        )
        for vendor in left_out
        for target, title in TITLES.items()
    )


def _metric(metrics: dict[str, Metric], name: str) -> Metric:
    return metrics.get(name) or undefined(f"{name} is not in the report", 0, "none")


def _r_note(whose: str, metrics: dict[str, Metric], target: str) -> str:
    metric = metrics.get(f"{target}.pearson_r")
    return "" if metric is None else f"{whose} is {metric.words()}"


def _auc_note(ceiling: dict[str, Metric]) -> str:
    metric = ceiling.get("osteoporosis.auc")
    return "" if metric is None else f"the ceiling's AUC is {metric.words()}"


def _most_possible(hu: dict[str, Metric], ceiling: dict[str, Metric]) -> str:
    """What the gain would be if the network were as good as the ceiling."""
    ours, top = hu.get("bmd.pearson_r"), ceiling.get("bmd.pearson_r")
    if ours is None or ours.value is None or top is None or top.value is None:
        return ""
    return f"HU alone reaches r {ours.words()}; the ceiling itself would gain {top.value - ours.value:.2f}"
