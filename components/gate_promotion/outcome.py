"""What the gate says: one outcome per rule, and the decision; decision.json."""

from __future__ import annotations

from typing import Literal, NamedTuple

from models.evaluation.metric import Metric
from models.params import Section

Verdict = Literal["passed", "failed", "not judged"]
State = Literal["promoted", "awaiting approval", "rejected", "refused"]


class Judgement(NamedTuple):
    """A rule's verdict before it is known whether it blocks.

    Attributes
    ----------
    metric
        What was judged; None where the report does not hold it.
    floor, ceiling
        Between which the interval (or, for a coverage, the value) had to lie.
    change
        What would have to change for the rule to pass; None when it passed.
    """

    verdict: Verdict
    reason: str
    metric: Metric | None = None
    floor: float | None = None
    ceiling: float | None = None
    change: str | None = None


class RuleOutcome(Section):
    """One rule's verdict with its reason in words.

    Attributes
    ----------
    blocks
        True when this verdict alone is enough to refuse.
    metric, floor, ceiling, change
        See `Judgement`.
    """

    key: str
    verdict: Verdict
    required: bool
    blocks: bool
    reason: str
    metric: Metric | None
    floor: float | None
    ceiling: float | None
    change: str | None


class Word(Section):
    """What a person said to a model that had passed the rules; no patient data.

    Attributes
    ----------
    at
        ISO 8601, UTC.
    by
        As stated on the command line.
    account
        Of the operating system, that ran the command.
    why
        With a rejection.
    """

    action: Literal["approved", "rejected"]
    at: str
    by: str
    account: str
    why: str | None = None


class GateDecision(Section):
    """The decision.

    Attributes
    ----------
    state
        'promoted' is deployed; 'awaiting approval' passed the rules and waits for a person.
    passed
        No rule blocks.
    promoted
        `state` is 'promoted'.
    subject
        Of what was judged and how: an approval holds for this and nothing else.
    champion_sha256
        None when there was no champion.
    same_model
        The challenger is the champion, with the same decision rules: nothing new would be served.
    word
        The person's, once there is one.
    reasons
        When refused, what blocked; otherwise every verdict.
    """

    schema_version: Literal[2] = 2
    state: State
    passed: bool
    promoted: bool
    policy: str
    approval: Literal["automatic", "person"]
    statement: str
    data_kind: str
    data_version: str
    test_set_sha256: str
    test_patients: int
    challenger_sha256: str
    champion_sha256: str | None
    same_model: bool
    subject: str
    word: Word | None
    rules: tuple[RuleOutcome, ...]
    reasons: tuple[str, ...]
