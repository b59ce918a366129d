"""The rules about challenger and champion: first whether the two can be compared at all, then not inferior."""

from __future__ import annotations

from components.gate_promotion.outcome import Judgement
from components.gate_promotion.policy import ChampionRule
from components.gate_promotion.rules import EVALUATE_AGAIN, above, not_judged
from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport

NO_CHAMPION = "no champion"
# Differences are computed from the same predictions as the two reports' own figures.
AGREEMENT = 1e-6
SCORE_AGAIN = "score both on the same test patients: osteogate run; without the champion: --without-champion"


def comparable(
    challenger: EvaluationReport, champion: EvaluationReport | None, keys: tuple[str, ...]
) -> Judgement:
    """Whether the comparison in the challenger's report is one of these two models on these test patients.

    A missing, exchanged or foreign champion is told from no champion: the challenger's report says itself which
    champion it was compared with, and its differences must be those of the two reports.
    """
    versus = challenger.versus_champion
    if champion is None:
        if versus is None:
            return not_judged(NO_CHAMPION, "nothing: the first model has none")
        return _failed(
            f"compared with champion {versus.champion_sha256[:12]}, whose report is missing", EVALUATE_AGAIN
        )
    compared = challenger.test_set_sha256
    if versus is not None and versus.test_set_sha256 is not None:
        compared = versus.test_set_sha256
    if (champion.test_set_sha256, champion.data_version) != (compared, challenger.data_version):
        return _failed("the champion was scored on other test patients", SCORE_AGAIN)
    if champion.versus_champion is not None:
        return _failed(
            "the champion's report is itself that of a challenger; the two may have been exchanged",
            EVALUATE_AGAIN,
        )
    if versus is None:
        return _failed("the challenger's report holds no comparison with the champion", EVALUATE_AGAIN)
    if versus.champion_sha256 != champion.model.weights_sha256:
        return _failed(
            f"compared with {versus.champion_sha256[:12]}, but the champion's report is of "
            f"{champion.model.weights_sha256[:12]}",
            EVALUATE_AGAIN,
        )
    for key in keys:
        ours, theirs, difference = (
            _value(metrics, key) for metrics in (_own(challenger), champion.patient, versus.difference)
        )
        if ours is None or theirs is None or difference is None:
            continue
        if abs(difference - (ours - theirs)) > AGREEMENT:
            return _failed(
                f"the comparison says {key} differs by {difference:+.3f}, the two reports by {ours - theirs:+.3f}",
                EVALUATE_AGAIN,
            )
    words = f"champion {versus.champion_sha256[:12]} on the same {versus.patients} test patients"
    if versus.seen_by_champion:
        words += (
            f"; {versus.seen_by_champion} more, whom the champion was trained or calibrated on, are left out"
        )
    return Judgement("passed", words)


def not_inferior(
    challenger: EvaluationReport,
    champion: EvaluationReport | None,
    key: str,
    rule: ChampionRule,
    comparison: Judgement,
) -> Judgement:
    """Lower bound of challenger minus champion above minus the margin."""
    if champion is None or comparison.verdict != "passed" or challenger.versus_champion is None:
        why = comparison.reason.removeprefix("not judged: ")
        return not_judged(why, comparison.change or "")
    ours, theirs = _own(challenger).get(key), champion.patient.get(key)
    if _defined(ours) and not _defined(theirs):
        why = theirs.words() if theirs else "not in its report"
        return Judgement("passed", f"the champion's own figure is {why}")
    if _defined(theirs) and not _defined(ours):
        return _failed(
            f"the champion has {theirs.words() if theirs else ''}, the challenger's is "
            f"{ours.words() if ours else 'not in its report'}",
            "a challenger whose figure is defined",
        )
    difference = challenger.versus_champion.difference.get(key)
    if difference is None:
        return not_judged("the report does not hold it", EVALUATE_AGAIN)
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return not_judged(str(difference.reason), "a figure that is defined: see the reason", difference)
    against = f" ({ours.value:.3f} against the champion's {theirs.value:.3f})"
    return above(difference, -rule.margin, against, digits=3)


def _own(challenger: EvaluationReport) -> dict[str, Metric]:
    """The challenger's figures on the patients compared."""
    versus = challenger.versus_champion
    return challenger.patient if versus is None or not versus.challenger else versus.challenger


def _value(metrics: dict[str, Metric], key: str) -> float | None:
    metric = metrics.get(key)
    return None if metric is None else metric.value


def _defined(metric: Metric | None) -> bool:
    return metric is not None and metric.value is not None


def _failed(reason: str, change: str) -> Judgement:
    return Judgement("failed", reason, change=change)
