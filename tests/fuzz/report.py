"""What came of a campaign: counts, as a page and as figures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.limits import MEMORY_MAX, SECONDS_MAX
from tests.fuzz.one_case import DOOR_SHARE, JUDGE_EVERY, PIXEL_SHARE, STEP_EVERY, Outcome

HELD = ("read", "refused")
BROKEN = ("crash", "hang", "memory", "uncoded", "lost", "wrong")


@dataclass
class Report:
    """Outcomes of a campaign, counted.

    Attributes
    ----------
    real
        Cases of which the damaged file is real, not made for these tests.
    """

    seed: str
    results: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)
    broken: list[Outcome] = field(default_factory=list)
    real: int = 0
    slowest: Outcome = field(default_factory=lambda: Outcome(-1))
    largest: Outcome = field(default_factory=lambda: Outcome(-1))

    @property
    def count(self) -> int:
        """Cases."""
        return sum(self.results.values())

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.results[outcome.result] += 1
        self.codes.update(outcome.codes)
        self.bases[outcome.base] += 1
        self.mutations.update(kinds(outcome.mutation))
        self.real += is_real(outcome.base)
        self.slowest = max(self.slowest, outcome, key=lambda one: one.seconds)
        self.largest = max(self.largest, outcome, key=lambda one: one.megabytes)
        if outcome.result in BROKEN:
            self.broken.append(outcome)


def is_real(base: str) -> bool:
    """Whether a base of this name is of the shared corpus."""
    name = base.removeprefix("series of ")
    return name.startswith(("header_zoo", "ge_", "siemens_", "philips_", "totalseg_", "l3_crop", "1-"))


def kinds(mutation: str) -> set[str]:
    """The kinds of damage that a case names: `a+b (all)` is two."""
    where, colon, rest = mutation.partition(": ")
    plain = {part.split(" (")[0] for part in (rest or where).split("+")}
    return {f"{where}: {part}" for part in plain} if colon else plain


def write_report(report: Report, path: Path, *, corpus: str) -> None:
    """The counts as Markdown at `path`, and as JSON beside it."""
    document = {
        "seed": report.seed, "cases": report.count, "of_real_files": report.real, "outcomes": dict(report.results),
        "slowest_s": round(report.slowest.seconds, 2), "slowest_case": report.slowest.number,
        "largest_mb": round(report.largest.megabytes), "largest_case": report.largest.number,
        "codes": dict(report.codes.most_common()), "damage": dict(sorted(report.mutations.items())),
        "bases": dict(sorted(report.bases.items())),
        "broken": [[one.number, one.base, one.mutation, one.result, one.detail] for one in report.broken],
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Fuzzing of the intake",
        "",
        f"{report.count:,} damaged sources under the seed `{report.seed}`, {report.real:,} of them real files of the",
        f"shared corpus ({corpus}), the others files that the tests make of the kinds it lacks. A case is its",
        "number: `python -m tests.fuzz case NUMBER` runs it again.",
        "",
        "- Files and small series: scan, header (quickly and by pydicom alike), pixels and the row of the series;",
        f"  one in {JUDGE_EVERY} through validation's check of a series, one in {STEP_EVERY} through the ingest step.",
        f"- {PIXEL_SHARE:.0%}: other pixels in a sound file. It must be read, with the HU of pydicom and SimpleITK.",
        f"- {DOOR_SHARE:.0%}: levels (SEG, RTSTRUCT, NIfTI, tables), DICOMDIR, zip and tar, DXA tables, params.yaml,",
        "  de-identified copies.",
        "",
        f"Each in a process that may take {MEMORY_MAX >> 20} MB more than it started with, and {SECONDS_MAX:g} s of",
        "processor time a file (the wall clock of a busy machine would accuse the innocent).",
        "",
        "| outcome | cases |",
        "|---|---|",
        *(f"| {name} | {report.results[name]:,} |" for name in (*HELD, *BROKEN)),
        "",
        f"Slowest case {report.slowest.seconds:.2f} s ({_named(report.slowest)});",
        f"largest {report.largest.megabytes:.0f} MB more than before it ({_named(report.largest)}).",
        "`read`: at least one series became a volume of HU, or the file gave what it is for; `refused`: every file has",
        "a code of `models/refusal.py` (a table that is none: one line). The others are broken promises and must be 0:",
        "`uncoded` neither read nor a code, `lost` counts that do not add up or a file left behind, `wrong` read",
        "otherwise than pydicom or SimpleITK reads the same bytes.",
        "",
        "| code | cases in which it was given |",
        "|---|---|",
        *(f"| {code} | {number:,} |" for code, number in report.codes.most_common()),
        "",
        "| kind of damage | cases |",
        "|---|---|",
        *(f"| {name} | {number:,} |" for name, number in report.mutations.most_common()),
        "",
    ]
    if report.broken:
        lines += ["| broken promise | case | found |", "|---|---|---|"]
        lines += [
            f"| {one.result} | {one.number} ({one.base}, {one.mutation}) | {one.detail} |"
            for one in report.broken
        ]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")


def _named(outcome: Outcome) -> str:
    return f"case {outcome.number}, {outcome.mutation} of {outcome.base}"
