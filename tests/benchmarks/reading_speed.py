"""How fast a DICOM series becomes an HU volume, beside SimpleITK on the same files in the same run.

    python -m tests.benchmarks.reading_speed --out build/benchmarks                   # 300 slices of 512 x 512
    python -m tests.benchmarks.reading_speed --out build/benchmarks --series FOLDER   # a series of one's own

Both start from a folder and end with the volume in memory: headers, order, pixels, rescale. The two are interleaved,
several rounds, files warm; the report gives the median of the rounds' ratios (ours over SimpleITK's speed, 1 and above:
no slower). Nothing here passes or fails on time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from models.errors import OsteoGateError
from models.write_failure import unwritten
from tests.dicom_factory import make_series

TARGET = 1.0  # no slower than SimpleITK


def ours(folder: Path) -> NDArray[np.int16]:
    """(S, H, W) int16 HU of the one series in a folder."""
    (series,) = scan_folder(folder).series
    return read_volume(series).hu


def simpleitks(folder: Path) -> NDArray[Any]:
    """The same by SimpleITK: order by GDCM, rescale applied, in the type that it chooses."""
    reader = SimpleITK.ImageSeriesReader()
    (uid,) = reader.GetGDCMSeriesIDs(str(folder))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), uid))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def write_phantom(folder: Path, *, slices: int, pixels: int) -> None:
    """A series with noise of 20 HU about 40 HU: pixels that compress no better than a patient's."""
    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(40, 20, (slices, pixels, pixels))).astype(np.int16)
    make_series(folder, slices=slices, rows=pixels, columns=pixels, spacing_mm=1.0, hu=hu)


def measure(folder: Path, *, rounds: int) -> dict[str, object]:
    """Seconds of both in interleaved rounds, after one of each that is not counted.

    Raises
    ------
    ValueError
        The two volumes differ by more than 1 HU: then their speeds say nothing.
    """
    readers: tuple[Callable[[Path], NDArray[Any]], ...] = (ours, simpleitks)
    first, second = (reader(folder) for reader in readers)
    if first.shape != second.shape or np.abs(first - np.maximum(second, -1024.0)).max() > 1:
        raise ValueError(f"{folder}: the two volumes differ")
    seconds: dict[str, list[float]] = {reader.__name__: [] for reader in readers}
    for _ in range(rounds):
        for reader in readers:
            start = perf_counter()
            reader(folder)
            seconds[reader.__name__].append(perf_counter() - start)
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["simpleitks"], strict=True)]
    return {
        "slices": first.shape[0],
        "rows": first.shape[1],
        "columns": first.shape[2],
        "rounds": rounds,
        "ours_s": round(median(seconds["ours"]), 4),
        "simpleitk_s": round(median(seconds["simpleitks"]), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "ratio": round(median(ratios), 4),
        "target": TARGET,
        "cpus": len(os.sched_getaffinity(0)),
        "load_1_min": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def write_report(result: dict[str, object], folder: Path) -> None:
    """`reading_speed.json` and `reading_speed.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reading_speed.json").write_text(json.dumps(result, indent=2) + "\n")
    ratios = result["ratios"]
    assert isinstance(ratios, list)
    cells = (
        f"{result['slices']} x {result['rows']} x {result['columns']}", result["ours_s"], result["simpleitk_s"],
        f"{result['ratio']} ({min(ratios)}-{max(ratios)})", result["target"], result["cpus"], result["load_1_min"],
    )  # fmt: skip
    (folder / "reading_speed.md").write_text(
        "# Speed of reading\n\nA folder of uncompressed DICOM to an HU volume, beside SimpleITK on the same files. "
        "Ratio: SimpleITK's\nseconds over ours, median of interleaved rounds (range); 1 and above: no slower. A load "
        "above the number of CPUs\nmeans that the machine was not quiet, and the figures await one that is.\n\n"
        "| slices x rows x columns | ours, s | SimpleITK, s | ratio (range) | target | CPUs | load |\n"
        f"|---|---|---|---|---|---|---|\n| {' | '.join(map(str, cells))} |\n"
    )


def main() -> int:
    """Command line; 0, or an error's exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--series", type=Path, help="folder with one series; made up by default")
    parser.add_argument("--slices", type=_count, default=300)
    parser.add_argument("--pixels", type=_count, default=512)
    parser.add_argument("--rounds", type=_count, default=5)
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as made:
            folder = given.series or Path(made) / "series"
            if given.series is None:
                write_phantom(folder, slices=given.slices, pixels=given.pixels)
            result = measure(folder, rounds=given.rounds)
        write_report(result, given.out)
    except OsteoGateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except ValueError as error:
        place = given.series or "phantom"
        print(f"error: {place}: no single series that both read alike ({error})", file=sys.stderr)  # noqa: T201
        return 3
    except OSError as error:
        print(f"error: {given.out}: not written {unwritten(error)}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"ratio {result['ratio']} (target {TARGET}); {given.out / 'reading_speed.md'}")  # noqa: T201
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; accepted: a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
