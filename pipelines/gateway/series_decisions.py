"""The decision table of one study: a line for every series in it, CT or not, taken or left, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.validate_dicom.choice_table import CT_SERIES, LEFT, TAKEN
from models.refusal import MEANINGS, Refusal, RefusedError

Decision = dict[str, str]


class StudyRefusedError(RefusedError):
    """A study refused as a whole, with what was decided about its series before."""

    def __init__(self, *refusals: Refusal, decisions: tuple[Decision, ...]) -> None:
        self.decisions = decisions
        super().__init__(*refusals)


def of_ct_series(
    series: str, refusals: Iterable[Refusal], passed_over: Mapping[str, str], *, taken: bool
) -> Decision:
    """The line of one CT series.

    Parameters
    ----------
    series
        Its hash.
    passed_over
        Series hash to the rule by which another one was preferred.
    """
    own = list(refusals)
    return {
        "series": series,
        "kind": CT_SERIES,
        "decision": TAKEN if taken and not own else LEFT,
        "codes": " ".join(dict.fromkeys(refusal.code for refusal in own)),
        "why": passed_over.get(series, "") or "; ".join(refusal.found for refusal in own),
    }


def of_other_objects(
    others: Iterable[OtherFile], pseudonymiser: Pseudonymiser, ct_series: set[str]
) -> tuple[Decision, ...]:
    """Lines of series that hold no CT images (scouts, secondary captures, dose reports), each kind and code once.

    Files that stand in no series of their own have no line, as in `choice_table`.
    """
    counts = Counter(
        (pseudonymiser.uid(other.series_instance_uid), other.kind, other.code)
        for other in others
        if other.series_instance_uid
    )
    return tuple(
        {
            "series": series,
            "kind": kind,
            "decision": LEFT,
            "codes": code.value,
            "why": f"{MEANINGS[code].meaning} ({count} files)",
        }
        for (series, kind, code), count in sorted(counts.items())
        if series not in ct_series
    )
