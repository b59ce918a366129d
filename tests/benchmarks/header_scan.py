"""How fast the headers of many files are read: against a plain pydicom loop, and against DCMTK's dcmdump.

    python -m tests.benchmarks.header_scan --out build/benchmarks                     # two simulated patients' files
    python -m tests.benchmarks.header_scan --out build/benchmarks --dicom FOLDER ...  # and a case for each folder

Each case is 5,000 files (--files): copies, in turn, of the single-frame CT images that were simulated or lie in a
folder. All three readers read the same files, in interleaved rounds after one that warms the file cache; the report
gives the median of the rounds' ratios. Start-up of helper processes and of dcmdump is part of the time. Nothing here
passes or fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

import pydicom

from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.headers import Header
from components.ingest_dicom.read_header import quick_header, read_header
from components.ingest_dicom.read_headers import read_headers
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.simulate import simulate_cohort
from components.train_resnet50.arguments import positive
from models.errors import InputError
from models.params import load_section
from tests.benchmarks.report import Report, arguments, ratio_cell, run

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"pydicom": 3.0, "dcmdump": 1.0}
BATCH = 500  # files a call of dcmdump: an argument list has an end
SIMULATED = "simulated patients"


@dataclass(frozen=True)
class Images:
    """Single-frame CT images that a case copies.

    Attributes
    ----------
    odd
        How many of them pydicom has to read (big endian, deflated, other character sets): that takes its time.
    left_out
        Files that are something else.
    """

    paths: tuple[Path, ...]
    odd: int
    left_out: int

    @classmethod
    def under(cls, folder: Path) -> Images:
        """Those in a folder.

        Raises
        ------
        InputError
            It holds none.
        """
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        read = [(path, read_header(path)) for path in files]
        images = tuple(path for path, header in read if isinstance(header, Header) and not header.frames)
        if not images:
            raise InputError(f"{folder}: no single-frame CT image in it")
        odd = sum(quick_header(path) is None for path in images)
        return cls(images, odd, len(files) - len(images))


def simulated(folder: Path, patients: int = 2) -> Path:
    """The series of a small cohort, as `osteogate simulate` writes it."""
    params = load_section(ROOT / "params.yaml", "simulate", SimulateParams)
    simulate_cohort(patients=patients, seed=params.seed, out=folder, params=params)
    return folder / "series"


def copies(folder: Path, count: int, images: Sequence[Path]) -> list[Path]:
    """`count` files with bytes of their own, each image in turn."""
    places = [folder / f"{number // 1000:03d}" / f"{number:06d}" for number in range(count)]
    for place, path in zip(places, islice(cycle(images), count), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return places


def measure(paths: list[Path], rounds: int) -> dict[str, object]:
    """Seconds of each reader in each round, and the rounds' ratios."""
    readers: dict[str, Callable[[], object]] = {
        "osteogate": lambda: read_headers(paths),
        "pydicom": lambda: [pydicom.dcmread(path, stop_before_pixels=True) for path in paths],
    }
    if shutil.which("dcmdump"):
        readers["dcmdump"] = lambda: _dcmdump(paths)
    for read in readers.values():
        read()
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds):
        order = list(readers) if turn % 2 else list(readers)[::-1]
        for name in order:
            begun = perf_counter()
            readers[name]()
            seconds[name].append(perf_counter() - begun)
    ratios = {
        name: [theirs / ours for theirs, ours in zip(seconds[name], seconds["osteogate"], strict=True)]
        for name in readers
        if name != "osteogate"
    }
    return {
        "files": len(paths),
        "rounds": rounds,
        "seconds": seconds,
        "ratios": ratios,
        "ratio": {name: median(values) for name, values in ratios.items()},
        "target_ratio": TARGETS,
    }


def report_of(cases: dict[str, dict[str, object]]) -> Report:
    """The table: a row for each reader in each case."""
    rows: list[tuple[object, ...]] = []
    for name, case in cases.items():
        seconds, ratios = case["seconds"], case["ratios"]
        assert isinstance(seconds, dict)
        assert isinstance(ratios, dict)
        for reader, values in seconds.items():
            cells = (ratio_cell(ratios[reader]), f"{TARGETS[reader]:g}") if reader in ratios else ("", "")
            rows.append(
                (
                    name,
                    case["files"],
                    case["images"],
                    case["odd_images"],
                    reader,
                    f"{median(values):.2f}",
                    *cells,
                )
            )
    notes = [
        "Odd: images that only pydicom reads (big endian, deflated, elements out of order, text in other alphabets), "
        "as no scanner's folder is full of; there osteogate takes its time.",
        "pydicom: `dcmread(path, stop_before_pixels=True)` in a loop of one process, values not yet converted. "
        f"dcmdump: the {len(HEADER_TAGS)} elements that osteogate reads, {BATCH} files a call. osteogate: "
        "`read_headers`, values converted, a process a CPU.",
    ]
    if not all("dcmdump" in str(case["seconds"]) for case in cases.values()):
        notes.append("dcmdump is not installed here (Debian: dcmtk).")
    return Report(
        name="header_scan",
        title="Speed of the header scan",
        words=(
            "Each case is so many copies of so many images. Ratio: their time over osteogate's in the same round,\n"
            "median of interleaved rounds (range); above 1 osteogate is faster."
        ),
        columns=("case", "files", "images", "odd", "reader", "seconds", "ratio (range)", "target"),
        rows=rows,
        figures={"cases": cases},
        notes=notes,
    )


def _dcmdump(paths: list[Path]) -> None:
    """The same elements, searched for and printed; dcmdump reads a header up to the pixel data as we do."""
    wanted = [word for name in HEADER_TAGS for word in ("+P", name)]
    for start in range(0, len(paths), BATCH):
        subprocess.run(
            ["dcmdump", "--quiet", *wanted, *map(str, paths[start : start + BATCH])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def _work(given: argparse.Namespace, scratch: Path) -> Report:
    folders = {folder.name: folder for folder in given.dicom}
    chosen = {name: Images.under(folder) for name, folder in folders.items()}  # before the long work
    chosen[SIMULATED] = Images.under(simulated(scratch / "cohort"))
    cases: dict[str, dict[str, object]] = {}
    for name, images in chosen.items():
        paths = copies(scratch / "copies", given.files, images.paths)
        case = measure(paths, given.rounds)
        facts = {
            "images": len(images.paths),
            "odd_images": images.odd,
            "other_files_left_out": images.left_out,
        }
        cases[name] = {**facts, **case}
        shutil.rmtree(scratch / "copies")
    return report_of(cases)


def main() -> int:
    """Command line; an error is one line and its exit code."""
    parser = arguments(__doc__)
    parser.add_argument("--dicom", type=Path, nargs="+", default=[], metavar="FOLDER", help="a case each")
    parser.add_argument("--files", type=positive, default=5000)
    parser.add_argument("--rounds", type=positive, default=5)
    return run(parser, _work)


if __name__ == "__main__":
    sys.exit(main())
