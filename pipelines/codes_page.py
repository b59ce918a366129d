"""Every code of refusal as a page and as data, made from the one enumeration in `models/refusal.py`."""

from __future__ import annotations

from typing import Final

from models.refusal import MEANINGS, NOT_LOOKED_FOR, Basis, Code

HEADINGS: Final[dict[Basis, str]] = {
    Basis.FILE: "Files",
    Basis.HEADER: "Headers",
    Basis.GEOMETRY: "Geometry",
    Basis.WORDS: "Words in descriptions",
    Basis.IMAGE: "The image itself",
    Basis.LEVELS: "Vertebra levels",
    Basis.TABLE: "Tables: DXA, pairing, patient",
}
INTRODUCTION: Final = """\
# Codes: what is refused or set aside, and what to do

Made by `osteogate codes --markdown > docs/codes.md` from `models/refusal.py`; a test fails when the two differ.

A code stands in `others.parquet` (files that are in no CT series), `quarantine.parquet` (series and exams set aside),
`refused.parquet` (levels without a crop), in the counts of a run's manifest, and at the start of every line with which
`osteogate predict` refuses (exit code 3). A failure of the program itself has no code: it is an internal error (exit
code 1). A verdict that rests on words may change when descriptions are scrubbed; no other does.
"""


def code_rows() -> list[dict[str, str]]:
    """One mapping per code (code, basis, meaning, action), in the enumeration's order."""
    return [
        {"code": code.value, "basis": of.basis.value, "meaning": of.meaning, "action": of.action}
        for code, of in ((code, MEANINGS[code]) for code in Code)
    ]


def codes_markdown() -> str:
    """The page: one table for each thing that a code may rest on, codes by name."""
    sections = [INTRODUCTION]
    rows = sorted(code_rows(), key=lambda row: row["code"])
    for basis in Basis:
        table = "".join(_line(row) for row in rows if row["basis"] == basis.value)
        if table:
            heading = HEADINGS.get(basis, basis.value.capitalize())
            sections.append(f"## {heading}\n\n| code | meaning | what to do |\n|---|---|---|\n{table}")
    unseen = "".join(f"- {name}: {why}.\n" for name, why in NOT_LOOKED_FOR.items())
    sections.append(f"## Not looked for\n\nNo code says that these are absent:\n\n{unseen}")
    return "\n".join(sections)


def _line(row: dict[str, str]) -> str:
    meaning, action = (row[name].replace("|", "\\|") for name in ("meaning", "action"))
    return f"| `{row['code']}` | {meaning} | {action} |\n"
