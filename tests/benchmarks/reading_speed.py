"""How fast a DICOM series becomes an HU volume, beside SimpleITK on the same files in the same run.

    python -m tests.benchmarks.reading_speed --out build/benchmarks                       # 300 slices of 512 x 512
    python -m tests.benchmarks.reading_speed --out build/benchmarks --series FOLDER ...   # and series of one's own

Both start from a folder and end with the volume in memory: headers, order, pixels, rescale. The two are interleaved,
several rounds, files warm; the report gives the median of the rounds' ratios. Compressed series are a fifth as long:
side cases without a target. Nothing here passes or fails on time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.train_resnet50.arguments import positive
from models.errors import InputError
from tests.benchmarks.report import Report, arguments, ratio_cell, run
from tests.dicom_factory import make_series

TARGET = 1.0  # no slower than SimpleITK
UNCOMPRESSED = "uncompressed"
SIDE_SHARE = 5  # a compressed series has a fifth of the slices


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


def write_phantom(folder: Path, *, slices: int, pixels: int) -> list[Path]:
    """A series with noise of 20 HU about 40 HU: pixels that compress no better than a patient's."""
    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(40, 20, (slices, pixels, pixels))).astype(np.int16)
    return make_series(folder, slices=slices, rows=pixels, columns=pixels, spacing_mm=1.0, hu=hu)


def compress(path: Path, syntax: str) -> None:
    """The file in a lossless transfer syntax; JPEG lossless is written by GDCM, which pydicom cannot."""
    dataset = dcmread(path)
    if syntax != JPEGLosslessSV1:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        by_gdcm = path.with_name("by_gdcm.dcm")
        writer = SimpleITK.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(by_gdcm))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(SimpleITK.GetImageFromArray(dataset.pixel_array[None]))
        written = dcmread(by_gdcm)
        by_gdcm.unlink()
        dataset.PixelData = encapsulate([next(generate_frames(written.PixelData, number_of_frames=1))])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = written.file_meta.TransferSyntaxUID
    dataset.save_as(path)


def measure(folder: Path, *, rounds: int) -> dict[str, object]:
    """Seconds of both in interleaved rounds, after one of each that is not counted.

    Raises
    ------
    InputError
        No single series that both read, or their volumes differ by more than 1 HU: then their speeds say nothing.
    """
    readers: tuple[Callable[[Path], NDArray[Any]], ...] = (ours, simpleitks)
    try:
        first, second = (reader(folder) for reader in readers)
    except ValueError as error:  # of the unpacking of one series
        raise InputError(f"{folder}: no single series that both read ({error})") from error
    if first.shape != second.shape or np.abs(first - np.maximum(second, -1024.0)).max() > 1:
        raise InputError(f"{folder}: the two volumes differ")
    seconds: dict[str, list[float]] = {reader.__name__: [] for reader in readers}
    for turn in range(rounds):
        for reader in readers if turn % 2 else readers[::-1]:
            start = perf_counter()
            reader(folder)
            seconds[reader.__name__].append(perf_counter() - start)
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["simpleitks"], strict=True)]
    return {
        "slices": first.shape[0],
        "rows": first.shape[1],
        "columns": first.shape[2],
        "rounds": rounds,
        "seconds": seconds,
        "ratios": ratios,
        "ratio": median(ratios),
    }


def report_of(cases: dict[str, dict[str, Any]]) -> Report:
    """The table: a row for each case."""
    rows = [
        (
            name,
            f"{case['slices']} x {case['rows']} x {case['columns']}",
            f"{median(case['seconds']['ours']):.2f}",
            f"{median(case['seconds']['simpleitks']):.2f}",
            ratio_cell(case["ratios"]),
            f"{TARGET:g}" if name == UNCOMPRESSED else "",
        )
        for name, case in cases.items()
    ]
    return Report(
        name="reading_speed",
        title="Speed of reading",
        words=(
            "A folder of DICOM to an HU volume, by osteogate and by SimpleITK from the same files, each in one\n"
            "process. Ratio: SimpleITK's time over osteogate's in the same round, median of interleaved rounds\n"
            "(range); above 1 osteogate is faster. Before any is timed the two volumes are compared, to 1 HU."
        ),
        columns=(
            "series",
            "slices x rows x columns",
            "osteogate, s",
            "SimpleITK, s",
            "ratio (range)",
            "target",
        ),
        rows=rows,
        figures={"target_ratio": TARGET, "cases": cases},
        notes=[
            "Series of noise about 40 HU, which compresses no better than a patient. Compressed ones are side cases: "
            "there the decoders are compared, and osteogate's are those of pydicom's plug-ins."
        ],
    )


def _work(given: argparse.Namespace, scratch: Path) -> Report:
    cases = {folder.name: measure(folder, rounds=given.rounds) for folder in given.series}
    write_phantom(scratch / UNCOMPRESSED, slices=given.slices, pixels=given.pixels)
    made = {UNCOMPRESSED: measure(scratch / UNCOMPRESSED, rounds=given.rounds)}
    for syntax in (RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless):
        name = syntax.keyword
        for path in write_phantom(
            scratch / name, slices=max(2, given.slices // SIDE_SHARE), pixels=given.pixels
        ):
            compress(path, syntax)
        made[name] = measure(scratch / name, rounds=given.rounds)
    return report_of(made | cases)


def main() -> int:
    """Command line; 0, or an error's exit code."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--series", type=Path, nargs="+", default=[], metavar="FOLDER", help="one series each"
    )
    parser.add_argument("--slices", type=positive, default=300)
    parser.add_argument("--pixels", type=positive, default=512)
    parser.add_argument("--rounds", type=positive, default=5)
    return run(parser, _work)


if __name__ == "__main__":
    sys.exit(main())
