"""Damaged files through the intake: none may crash it, hang it, take its memory, or vanish without a code.

Some hundred cases in `make test`, `OSTEOGATE_FUZZ_COUNT` (20,000 by default) in `make test-all`, which writes what
came of them to docs/benchmarks/fuzz.md. A case is its seed and number: `python -m tests.fuzz case NUMBER` runs one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.__main__ import SEED as SEED_OF_THE_PAGE
from tests.fuzz.__main__ import main, make_corpus
from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import REAL, real_data
from tests.fuzz.other_sources import REAL_LEVELS
from tests.fuzz.report import Report, write_report

ROOT = Path(__file__).resolve().parents[2]
COUNT_QUICK = 300
COUNT_LONG = int(os.environ.get("OSTEOGATE_FUZZ_COUNT", "20000"))
SEED = os.environ.get("OSTEOGATE_FUZZ_SEED", SEED_OF_THE_PAGE)


def assert_every_promise_held(report: Report, count: int) -> None:
    assert report.broken == [], "\n".join(map(str, report.broken[:20]))
    assert report.count == count
    assert report.results["read"] > 0.1 * count, "damage so heavy that nothing is read tests too little"
    assert report.results["refused"] > 0.1 * count


def test_some_hundred_damaged_files(small_corpus: Path) -> None:
    report = run_campaign(small_corpus, seed=SEED, count=COUNT_QUICK)
    assert_every_promise_held(report, COUNT_QUICK)
    doors = {kind.partition(":")[0] for kind in report.mutations if ":" in kind}
    assert doors >= {
        "pixels",
        "level object",
        "NIfTI",
        "centre table",
        "DICOMDIR",
        "archive",
        "DXA table",
        "copy",
    }


@pytest.mark.long
@pytest.mark.real_ct
@pytest.mark.timeout(4 * 3600)
def test_twenty_thousand_damaged_files(tmp_path: Path) -> None:
    if real_data() is None:
        pytest.skip("real data absent (set OSTEOGATE_REAL_DATA)")
    make_corpus(tmp_path / "corpus")
    report = run_campaign(tmp_path / "corpus", seed=SEED, count=COUNT_LONG, workers=os.cpu_count() or 1)
    page = ROOT / "docs" / "benchmarks" / "fuzz.md"
    write_report(report, page, corpus=", ".join(sorted({*REAL, *REAL_LEVELS})))
    assert_every_promise_held(report, COUNT_LONG)
    assert report.real > 0.7 * COUNT_LONG


def test_a_campaign_that_broke_off_goes_on_where_it_was(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, page = tmp_path / "journal", tmp_path / "page.md"
    words = ["--corpus", str(small_corpus), "--seed", "9", "run", "--journal", str(journal), "--count"]
    assert main([*words, "4"]) == 0
    with journal.open("a") as file:
        file.write('{"seed": "9", "numb')  # killed in the middle of a line
    text = journal.read_text()
    journal.write_text(text + "\n")
    ran: list[Path] = []
    plain = run_campaign.__globals__["_start"]
    monkeypatch.setitem(run_campaign.__globals__, "_start", lambda *rest: ran.append(rest[1]) or plain(*rest))
    assert main([*words, "4", "--report", str(page)]) == 0
    assert ran == []  # nothing was left to do
    assert "4 damaged sources under the seed `9`" in page.read_text()
    assert page.with_suffix(".json").exists()
