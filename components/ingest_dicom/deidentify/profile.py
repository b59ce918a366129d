"""The basic application confidentiality profile (DICOM PS3.15 table E.1-1), as dicom-anonymizer carries it.

The library holds the standard's table and what each of its actions does to an element. Three of its habits do not
suit us and are kept out: it walks the top level only (we call it for every item of every sequence), it remembers
UIDs in a dictionary of the module and replaces them by random ones (no UID is handed to it), and it writes the
date 0001-01-01 where the standard says remove (dates are not handed to it either).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, delete, initialize_actions
from pydicom.dataset import Dataset

EDITION = "2026c"
Action = Callable[[Dataset, tuple[int, int]], None]


@cache
def table() -> Mapping[tuple[int, ...], Action]:
    """Action by (group, element); repeating groups (curves, overlays) are left out: we remove them whole."""
    actions: dict[tuple[int, ...], Action] = initialize_actions(f"dicomfields_{EDITION}")
    return {tag: action for tag, action in actions.items() if len(tag) == 2}


def action_for(tag: tuple[int, int]) -> Action | None:
    """What the profile does with an attribute; None for one it does not name."""
    return table().get(tag)


def removes(tag: tuple[int, int]) -> bool:
    """Whether the profile removes an attribute whole (its action X)."""
    return table().get(tag) is delete


def apply(item: Dataset, actions: dict[tuple[int, int], Action]) -> None:
    """The library's own pass over one data set or item, with the rules of the attributes that are in it."""
    if actions:
        anonymize_dataset(item, base_rules_gen=lambda: dict(actions), delete_private_tags=False)
