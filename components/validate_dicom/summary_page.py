"""The one-page summary: what was accepted, and for each series held back its code, meaning and remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from components.validate_dicom.tables import QuarantineRow
from models.refusal import MEANINGS, NOT_LOOKED_FOR, Code

_HERE = Path(__file__).parent
_GROUPS = (
    (
        "series",
        "CT series held back",
        "Series",
        "Each broken series by its hash; the intake knows which files it is.",
    ),
    ("dxa", "DXA exams held back", "Row of dxa.csv", "Row 1 is the line of column names."),
    (
        "pairing",
        "Patients without a usable pair",
        "Patient",
        "The series or exam is sound, its partner is not.",
    ),
)


# "dxa 7: DXA_UNUSUAL: ...": a warning about one row
_ABOUT_A_ROW = re.compile(r"(\w+) \S+: ([A-Z][A-Z0-9_]+): ")


@dataclass(frozen=True)
class PageFacts:
    """What the page shows beside the quarantine.

    Attributes
    ----------
    counts, codes, by_vendor, warnings, data_kind, data_version, vendor_mix, series_without_air
        As in the run's `ValidationSummary`.
    others
        Lines such as "12 segmentation (NOT_CT)".
    choices
        Lines of `choice_table.one_line_each` for patients with several series.
    """

    counts: dict[str, int]
    codes: dict[str, int]
    by_vendor: dict[str, int]
    warnings: tuple[str, ...]
    data_kind: str
    data_version: str
    others: tuple[str, ...]
    vendor_mix: str = ""
    choices: tuple[dict[str, str], ...] = ()
    series_without_air: int = 0


def render_summary(facts: PageFacts, quarantine: list[QuarantineRow]) -> str:
    """The page as self-contained HTML: one page however large the batch, what is about single rows folded away."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((_HERE / "summary.html.j2").read_text(encoding="utf-8"))
    of_rows: dict[str, list[str]] = {}
    for line in facts.warnings:
        if about := _ABOUT_A_ROW.match(line):
            of_rows.setdefault(f"{about[1]}: {MEANINGS[Code(about[2])].meaning} ({about[2]})", []).append(
                line
            )
    of_batch = [line for line in facts.warnings if not _ABOUT_A_ROW.match(line)]
    codes = [{"code": code, "count": count, **_meaning(Code(code))} for code, count in facts.codes.items()]
    return template.render(
        **{**vars(facts), "codes": codes, "warnings": of_batch, "not_looked_for": NOT_LOOKED_FOR},
        row_warnings=of_rows,
        stylesheet=(_HERE / "pages.css").read_text(encoding="utf-8"),
        groups=[group for group in (_group(quarantine, *one) for one in _GROUPS) if group["entries"]],
    )


def _meaning(code: Code) -> dict[str, str]:
    return {"meaning": MEANINGS[code].meaning, "action": MEANINGS[code].action}


def _group(quarantine: list[QuarantineRow], table: str, title: str, key: str, aside: str) -> dict[str, Any]:
    by_key: dict[str, list[QuarantineRow]] = {}
    for row in quarantine:
        if row.table == table:
            by_key.setdefault(row.key, []).append(row)
    entries = [
        {
            "key": name,
            "patient": rows[0].patient,
            "rows": rows,
            "actions": list(dict.fromkeys(MEANINGS[row.code].action for row in rows)),
        }
        for name, rows in by_key.items()
    ]
    return {"title": f"{title} ({len(entries)})", "key": key, "aside": aside, "entries": entries}
