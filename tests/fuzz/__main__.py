"""`python -m tests.fuzz run` for a campaign, `python -m tests.fuzz case NUMBER` for one case with its traceback."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import REAL, real_data, write_corpus
from tests.fuzz.one_case import Corpus, Intake, run_case
from tests.fuzz.other_sources import REAL_LEVELS, write_other_sources
from tests.fuzz.report import Report, write_report

SEED = "20261123"
EVERY = 250  # cases between two lines of progress


def make_corpus(folder: Path) -> None:
    """The whole corpus, real files too where they are; one that is there already is taken as it is."""
    if not folder.exists():
        write_corpus(folder, real=real_data())
        write_other_sources(folder, real=real_data())


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--corpus", type=Path, help="folder of sound files; made where it is not there")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="a campaign")
    run.add_argument("--count", type=int, default=20_000)
    run.add_argument("--first", type=int, default=0)
    run.add_argument("--workers", type=int, default=1)
    run.add_argument("--seconds", type=float, help="no case begins after this")
    run.add_argument("--journal", type=Path, help="a line for each case; a campaign that broke off goes on")
    run.add_argument("--report", type=Path, help="page to write, with figures as .json beside it")
    case = commands.add_parser("case", help="one case in this process")
    case.add_argument("number", type=int)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        corpus = given.corpus or Path(scratch) / "corpus"
        make_corpus(corpus)
        if given.command == "case":
            loaded = Corpus.load(corpus)
            print(run_case(loaded, Path(scratch) / "case", given.seed, given.number, Intake.load()))  # noqa: T201
            return 0
        report = run_campaign(
            corpus, seed=given.seed, count=given.count, first=given.first, workers=given.workers,
            seconds=given.seconds, journal=given.journal, progress=_Progress(given.count),
        )  # fmt: skip
    if given.report:
        write_report(report, given.report, corpus=", ".join(sorted({*REAL, *REAL_LEVELS})))
    return 1 if report.broken else 0


class _Progress:
    """A line on the error stream now and then, and one for each broken promise."""

    def __init__(self, count: int) -> None:
        self.count, self.started, self.broken = count, time.monotonic(), 0

    def __call__(self, report: Report) -> None:
        for outcome in report.broken[self.broken :]:
            print(outcome, file=sys.stderr, flush=True)  # noqa: T201
        self.broken = len(report.broken)
        if report.count % EVERY == 0:
            minutes = (time.monotonic() - self.started) / 60
            print(  # noqa: T201
                f"{report.count} of {self.count} in {minutes:.0f} min: {dict(report.results)}, slowest "
                f"{report.slowest.seconds:.2f} s, largest {report.largest.megabytes:.0f} MB",
                file=sys.stderr, flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
