"""A study that did not show what it must, for a caller who asked to be told by the exit code."""

from __future__ import annotations

from models.errors import OsteoGateError
from pipelines.study.study_file import StudyResult


class RequirementsUnmetError(OsteoGateError):
    """A bound is not met or was not judged, and the caller asked to fail on it."""

    exit_code = 7


def refuse_unmet(result: StudyResult) -> None:
    """Nothing when every bound was judged and is met.

    Raises
    ------
    RequirementsUnmetError
        Says how many are not.
    """
    if result.met:
        return
    every = [item for test in result.tests for item in test.requirements] + list(result.left_out_requirements)
    unmet = sum(item.met is not True for item in every)
    without = "" if result.left_out_requirements else "; leaving a vendor out was not judged"
    raise RequirementsUnmetError(f"{unmet} of {len(every)} requirements not met or not judged{without}")
