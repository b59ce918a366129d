"""Stored pixel values of one CT image to HU: decoding, signedness, padding, rescale."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.pixels import iter_pixels
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import JPEG2000TransferSyntaxes

from components.ingest_dicom.codestream import frame_sizes
from components.ingest_dicom.elements import VALUE_ERRORS, numbers
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.headers import HU_TYPES, Header
from components.ingest_dicom.rescale import to_hu
from models.refusal import Code, refuse

# what pydicom and its decoder plug-ins raise on pixel data they cannot make sense of
DECODE_ERRORS = (
    *VALUE_ERRORS,
    RuntimeError,
    OSError,
    EOFError,
    IndexError,
    MemoryError,
    zlib.error,
    struct.error,
)


def read_hu(header: Header) -> NDArray[np.int16]:
    """The image, or the frame of a multi-frame object, as (H, W) int16 HU, never below -1024.

    HU = stored * RescaleSlope + RescaleIntercept (DICOM PS3.3 C.11.1.1.2), rounded.

    Raises
    ------
    RefusedError
        RESCALE_MISSING, FILE_TRUNCATED, PIXELS_UNREADABLE, SIZE_IMPLAUSIBLE.
    """
    return next(read_file_hu([header]))


def read_file_hu(headers: Sequence[Header]) -> Iterator[NDArray[np.int16]]:
    """Slices of one file one by one, in the order given: several only where they are frames of one object.

    The file is opened once and one frame is held at a time. Raises what `read_hu` raises.
    """
    for header in headers:
        if not (math.isfinite(header.rescale_slope) and math.isfinite(header.rescale_intercept)):
            raise refuse(Code.RESCALE_MISSING, "a slice without RescaleSlope and RescaleIntercept as numbers")
        if header.rescale_slope == 0:
            raise refuse(Code.RESCALE_MISSING, "a slice with RescaleSlope 0")
        if header.rescale_type not in HU_TYPES:
            raise refuse(Code.RESCALE_MISSING, f"values are {header.rescale_type[:16]}, not HU (RescaleType)")
        if header.truncated:
            raise refuse(Code.FILE_TRUNCATED, "a slice ends before its pixel data does")
    # a caller that stops early leaves the file to the garbage collector, which closes it
    for header, (stored, padding) in zip(headers, _read_stored(headers), strict=True):
        yield _hounsfield(stored, padding, header)


def _hounsfield(
    stored: NDArray[np.integer[Any]], padding: tuple[float, float] | None, header: Header
) -> NDArray[np.int16]:
    if stored.shape != (header.rows, header.columns):
        raise refuse(
            Code.PIXELS_UNREADABLE, f"pixels are {stored.shape}, declared {header.rows, header.columns}"
        )
    return to_hu(stored, header.rescale_slope, header.rescale_intercept, padding)


def _read_stored(
    headers: Sequence[Header],
) -> Iterator[tuple[NDArray[np.integer[Any]], tuple[float, float] | None]]:
    """Stored values (H, W) of each slice of one file, with the range of padding values."""
    path, frames = headers[0].path, [header.frame for header in headers]
    try:
        with open_guarded(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if None not in frames:
                yield from _read_frames(file, [frame for frame in frames if frame is not None])
                return
            dataset = pydicom.dcmread(file)
            if "PixelData" not in dataset:
                raise refuse(Code.FILE_TRUNCATED, "a slice without pixel data")
            _refuse_other_size(dataset)
            yield _with_the_streams_sign(dataset.pixel_array, dataset), _padding_range(dataset)
    except SizeImplausibleError as error:
        raise refuse(Code.SIZE_IMPLAUSIBLE, str(error)) from error
    except (InvalidDicomError, *DECODE_ERRORS) as error:
        syntax = type(error).__name__
        raise refuse(
            Code.PIXELS_UNREADABLE, f"a slice cannot be decoded ({syntax}: {_short(error)})"
        ) from error


def _with_the_streams_sign(stored: NDArray[np.integer[Any]], dataset: Dataset) -> NDArray[np.integer[Any]]:
    """Values of a JPEG 2000 stream that is signed though PixelRepresentation says unsigned.

    The stream is what the encoder was given (DICOM PS3.5 8.2.4); pydicom follows it in the other direction only.
    """
    if stored.dtype.kind != "u" or dataset.file_meta.TransferSyntaxUID not in JPEG2000TransferSyntaxes:
        return stored
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    return stored.view(f"i{stored.itemsize}") if get_j2k_parameters(stream).get("is_signed") else stored


def _read_frames(
    file: BinaryIO, frames: list[int]
) -> Iterator[tuple[NDArray[np.integer[Any]], tuple[float, float] | None]]:
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    file.seek(0)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        dataset = pydicom.dcmread(file)
    _refuse_other_size(dataset)
    source = (
        dataset if "PixelData" in dataset else file
    )  # plain frames one by one: they need no memory together
    for stored in iter_pixels(source, indices=frames):
        yield stored, _padding_range(dataset)


def _refuse_other_size(dataset: Dataset) -> None:
    """A decoder makes room for what is announced, whatever the file holds: colours, or a stream's own size."""
    samples = dataset.get("SamplesPerPixel", 1)
    if samples != 1:
        raise refuse(Code.PIXELS_UNREADABLE, f"found {samples} samples a pixel; a CT image has 1")
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        declared = (dataset.get("Rows"), dataset.get("Columns"))
        for size in frame_sizes(dataset):
            if size is not None and (size.rows, size.columns, size.components) != (*declared, 1):
                found = f"a compressed slice is {size.rows} x {size.columns} x {size.components}, declared {declared}"
                raise refuse(Code.PIXELS_UNREADABLE, found)


def _padding_range(dataset: Dataset) -> tuple[float, float] | None:
    """PixelPaddingValue and PixelPaddingRangeLimit (DICOM PS3.3 C.7.5.1.1.2) as stored values.

    Writers often encode a negative padding value of signed pixels as an unsigned number (63536 is -2000), and
    some the other way round.
    """
    values = [*numbers(dataset, "PixelPaddingValue")[:1], *numbers(dataset, "PixelPaddingRangeLimit")[:1]]
    if not values or not all(math.isfinite(value) for value in values):
        return None
    bits = int(dataset.get("BitsAllocated", 16))
    if dataset.get("PixelRepresentation") == 1:
        values = [value - 2**bits if value >= 2 ** (bits - 1) else value for value in values]
    else:
        values = [value + 2**bits if value < 0 else value for value in values]
    return values[0], values[-1]


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 120 else text[:117] + "..."
