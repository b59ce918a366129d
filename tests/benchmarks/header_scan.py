"""How fast the headers of many files are read: against a plain pydicom loop, and against DCMTK's dcmdump.

    python -m tests.benchmarks.header_scan --out build/benchmarks                    # 5,000 simulated slices
    python -m tests.benchmarks.header_scan --out build/benchmarks --dicom FOLDER     # copies of these, up to --files

All three read the same files, in interleaved rounds after one that warms the file cache; the report gives the median
of the rounds' ratios. Start-up of helper processes and of dcmdump is part of the time. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

import pydicom

from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.headers import Header
from components.ingest_dicom.read_headers import read_headers
from components.train_resnet50.arguments import positive
from models.errors import InputError, OsteoGateError
from models.write_failure import unwritten
from tests.dicom_factory import make_series

TARGETS = {"pydicom": 3.0, "dcmdump": 1.0}
BATCH = 500  # files a call of dcmdump: an argument list has an end


def corpus(folder: Path, count: int, source: Path | None) -> list[Path]:
    """`count` files with contents of their own: copies of those of `source` in turn, or 512 x 512 made slices.

    Raises
    ------
    InputError
        `source` holds no DICOM file.
    """
    if source is None:
        made = make_series(folder / "made", slices=50, rows=512, columns=512)
    else:
        made = [path for path in sorted(source.rglob("*")) if path.is_file() and _is_dicom(path)]
        if not made:
            raise InputError(f"{source}: no DICOM file in it")
    places = [folder / f"{number // 1000:03d}" / f"{number:06d}" for number in range(count)]
    for place, path in zip(places, islice(cycle(made), count), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return places


def measure(paths: list[Path], rounds: int) -> dict[str, object]:
    """Seconds of each reader in each round, and the rounds' ratios."""
    readers: dict[str, Callable[[], object]] = {
        "osteogate": lambda: _require(read_headers(paths)),
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
        "bytes_per_file": paths[0].stat().st_size,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "rounds": rounds,
        "seconds": seconds,
        "ratios": ratios,
        "ratio": {name: median(values) for name, values in ratios.items()},
        "target_ratio": TARGETS,
    }


def write_report(result: dict[str, object], out: Path) -> None:
    """header_scan.json and .md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "header_scan.json").write_text(json.dumps(result, indent=2))
    seconds, ratios = result["seconds"], result["ratios"]
    assert isinstance(seconds, dict)
    assert isinstance(ratios, dict)
    lines = [
        "# Speed of the header scan",
        "",
        f"{result['files']} files, {result['cores']} cores, load {result['load_before']:.1f} when it began, "
        f"{result['rounds']} interleaved rounds. Ratio: their time over ours, median of rounds (range).",
        "",
        "| reader | seconds | ratio | target |",
        "|---|---|---|---|",
    ]
    for name, values in seconds.items():
        line = f"| {name} | {median(values):.2f} |"
        if name in ratios:
            line += f" {median(ratios[name]):.2f} ({min(ratios[name]):.2f}-{max(ratios[name]):.2f}) "
            line += f"| {TARGETS[name]:g} |"
        else:
            line += " | |"
        lines.append(line)
    if "dcmdump" not in seconds:
        lines += ["", "dcmdump is not installed here (Debian: dcmtk)."]
    (out / "header_scan.md").write_text("\n".join(lines) + "\n")


def _require(read: list[object]) -> None:
    if not all(isinstance(item, Header) for item in read):
        raise InputError("the files are no single-frame CT images: nothing is compared")


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


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def main() -> int:
    """Command line; an error is one line and its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--dicom", type=Path, help="folder of DICOM files to copy; default: made slices")
    parser.add_argument("--files", type=positive, default=5000)
    parser.add_argument("--rounds", type=positive, default=5)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = corpus(Path(folder), options.files, options.dicom)
            write_report(measure(paths, options.rounds), options.out)
    except OsteoGateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or options.out}: not read or written {unwritten(error)}\n")
        return OsteoGateError.exit_code
    sys.stdout.write((options.out / "header_scan.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
