"""The one form of the intake's benchmark reports, and the command line that writes them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import psutil

from models.errors import OsteoGateError
from models.write_failure import unwritten

QUIET_PERCENT = 10.0  # of all CPUs, in use by other work just before and just after a benchmark
LOOK_S = 3.0


@dataclass(frozen=True)
class Machine:
    """What it was measured on: nothing that names the machine.

    Attributes
    ----------
    others_before_percent, others_after_percent
        Of all CPUs, in use while the benchmark itself did nothing.
    """

    processor: str
    cpus: int
    memory_gb: int
    system: str
    python: str
    others_before_percent: float
    others_after_percent: float = 0.0

    @classmethod
    def now(cls) -> Machine:
        """Before measuring; takes some seconds."""
        cpuinfo = Path("/proc/cpuinfo")
        lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
        model = next((line.split(":", 1)[1] for line in lines if line.startswith("model name")), "unknown")
        return cls(
            processor=" ".join(model.split()),
            cpus=len(os.sched_getaffinity(0)),
            memory_gb=round(psutil.virtual_memory().total / 1e9),
            system=platform.system(),
            python=platform.python_version(),
            others_before_percent=psutil.cpu_percent(LOOK_S),
        )

    def after(self) -> Machine:
        """The same after measuring."""
        return replace(self, others_after_percent=psutil.cpu_percent(LOOK_S))

    def words(self) -> str:
        """A paragraph; says so where the machine was not quiet."""
        said = (
            f"Taken on {self.processor}, {self.cpus} CPUs, {self.memory_gb} GB, {self.system}, Python {self.python}; "
            f"other work took {self.others_before_percent:.0f} % of the CPUs before and "
            f"{self.others_after_percent:.0f} % after."
        )
        if max(self.others_before_percent, self.others_after_percent) > QUIET_PERCENT:
            said += (
                " **The machine was not quiet: these figures are provisional**, seconds more than ratios; "
                "memory does not depend on it."
            )
        return said


@dataclass(frozen=True)
class Report:
    """The figures of one benchmark: `<name>.json` with all of them, `<name>.md` with a table.

    Attributes
    ----------
    words
        What was measured on what, and how to read it.
    columns, rows
        Of the table; a row's values are shown as they are.
    figures
        Everything that was measured.
    notes
        Lines below the table.
    """

    name: str
    title: str
    words: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    figures: dict[str, object]
    notes: Sequence[str] = field(default=())

    def page(self, machine: Machine) -> str:
        """The Markdown page."""
        table = (self.columns, ["---"] * len(self.columns), *self.rows)
        rows = (f"| {' | '.join(map(str, row))} |" for row in table)
        lines = [f"# {self.title}", "", self.words, "", machine.words(), "", *rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def write(self, out: Path, machine: Machine) -> None:
        """Both files into the folder `out`."""
        out.mkdir(parents=True, exist_ok=True)
        document = {"machine": asdict(machine), **self.figures}
        (out / f"{self.name}.json").write_text(json.dumps(document, indent=2) + "\n")
        (out / f"{self.name}.md").write_text(self.page(machine))


def ratio_cell(ratios: Sequence[float]) -> str:
    """Median and range of the rounds' ratios."""
    return f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What all have in common: where the report goes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    return parser


def run(parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace, Path], Report]) -> int:
    """Command line of a benchmark: 0, or an error as one line and its exit code.

    Parameters
    ----------
    work
        Makes the report from the arguments; its folder is empty and goes afterwards.
    """
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            before = Machine.now()
            report = work(given, Path(folder))
            machine = before.after()
        report.write(given.out, machine)
    except OsteoGateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or given.out}: not read or written {unwritten(error)}\n")
        return OsteoGateError.exit_code
    sys.stdout.write(report.page(machine))
    return 0
