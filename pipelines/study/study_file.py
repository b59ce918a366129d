"""study.json: a study's result as facts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.evaluation.metric import Metric
from models.evaluation.published import PublishedFigure
from models.params import Section
from pipelines.study.requirements import Requirement
from pipelines.study.vendor_left_out import VendorLeftOut

SCHEMA_VERSION = 1


class CohortFacts(Section):
    """One streamed cohort.

    Attributes
    ----------
    patients, judged
        By split: in the store, and with enough evaluable levels to be judged.
    left_out
        Code -> levels or patients that validation or preparation left out.
    replaced
        Simulated patients who gave no crop, and whose place another took.
    """

    name: str
    seed: int
    data_version: str
    patients: dict[str, int]
    vendors: dict[str, int]
    crops: int
    left_out: dict[str, int]
    replaced: int


class TestResult(Section):
    """What one test cohort showed: requirements, and the metrics that a reader compares.

    Attributes
    ----------
    test_looks
        How often any of these test patients was looked at, this time included; None when no log is kept.
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    name: str
    patients: int
    test_looks: int | None = None
    requirements: tuple[Requirement, ...]
    metrics: dict[str, Metric]
    baselines: dict[str, dict[str, Metric]]
    gains: dict[str, dict[str, Metric]]
    by_vendor: dict[str, dict[str, Metric]]


class StudyResult(Section):
    """study.json.

    Attributes
    ----------
    met
        Every requirement that applies was judged and met. None for a run that is no acceptance (the paper's), and
        while vendors are still to be left out: the page of a study that was interrupted there.
    git_commit
        Of the code that judged; a kept model may have been trained by earlier code, which `model` names.
    """

    schema_version: Literal[1] = 1
    statement: str
    kind: Literal["study", "paper", "leave one vendor out"]
    profile: str
    protocol: str
    met: bool | None
    cohorts: tuple[CohortFacts, ...]
    model: dict[str, str | int | float]
    tests: tuple[TestResult, ...]
    left_out: tuple[VendorLeftOut, ...] = ()
    left_out_requirements: tuple[Requirement, ...] = ()
    paper: dict[str, PublishedFigure] = Field(default_factory=dict)
    git_commit: str | None = None
    params: dict[str, object] = Field(default_factory=dict)
