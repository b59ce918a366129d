"""On whom the flag could be judged, and on whom not."""

from __future__ import annotations

from typing import NamedTuple

from models.evaluation.report_file import EvaluationReport


class FlagCounts(NamedTuple):
    """Judged test patients, by what DXA says of the findings that flag.

    Attributes
    ----------
    with_finding
        At least one: sensitivity rests on them.
    without_finding
        None, all of them judged: specificity rests on them.
    not_judged
        None among those that are judged, and TBS is not: they count for the share flagged and for nothing else.
    """

    with_finding: int
    without_finding: int
    not_judged: int


def flag_counts(report: EvaluationReport) -> FlagCounts:
    """From the report's own metrics of the flag."""
    with_finding, without = (
        metric.n if (metric := report.patient.get(f"flag.{part}")) else 0
        for part in ("sensitivity", "specificity")
    )
    judged = report.counts.judged_patients.get("test", 0)
    return FlagCounts(with_finding, without, judged - with_finding - without)
