"""Other values in the pixel data alone, and what pydicom and SimpleITK read from the same bytes."""

from __future__ import annotations

import io
import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from components.ingest_dicom.pixels import read_file_hu
from components.ingest_dicom.scan import scan_folder
from models.refusal import RefusedError
from tests.fuzz.byte_damage import flipped
from tests.fuzz.corpus import Base

ENCODERS = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
HU_MIN, HU_MAX = -1024, 32767
_Stack = NDArray[np.float64]


@dataclass(frozen=True)
class PixelCase:
    """A file whose pixels alone are others.

    Attributes
    ----------
    how
        "bytes" (as they are stored), "values" (encoded again without loss), "stream" (a damaged code stream).
    """

    how: str
    raw: bytes


def mutate_pixels(rng: random.Random, base: Base) -> PixelCase:
    """Other values of the same number; lengths, and every other element, stay."""
    if not base.encapsulated:
        return PixelCase("bytes", _other_bytes(rng, base))
    dataset = dcmread(io.BytesIO(base.blob))
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in ENCODERS and rng.random() < 0.6:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = dataset.pixel_array.copy()
            _splash(rng, stored, int(dataset.BitsStored), signed=stored.dtype.kind == "i")
            dataset.compress(syntax, stored, generate_instance_uid=False)
        return PixelCase("values", _written(dataset))
    frames = list(
        generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    )
    chosen = rng.randrange(len(frames))
    body = len(frames[chosen]) // 4  # headers of the stream come first, and are not pixels
    frames[chosen] = (
        frames[chosen][:body]
        + flipped(rng, frames[chosen][body:-2], rng.choice((1, 4)))
        + frames[chosen][-2:]
    )
    dataset.PixelData = encapsulate(frames)
    return PixelCase("stream", _written(dataset))


def _other_bytes(rng: random.Random, base: Base) -> bytes:
    assert base.pixels is not None
    pixels = base.pixels
    body = base.blob[pixels.value : pixels.end]
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(body))
        size = min(rng.choice((1, 2, 16, 4096)), len(body) - start)
        body = body[:start] + rng.randbytes(size) + body[start + size :]
    return base.packed(base.blob[: pixels.value] + body + base.blob[pixels.end :])


def _splash(rng: random.Random, stored: NDArray[np.integer], bits: int, *, signed: bool) -> None:
    """Some values at the ends of what the bits hold, and noise."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    flat = stored.reshape(-1)
    for _ in range(rng.randint(1, 6)):
        start, size = rng.randrange(flat.size), rng.choice((1, 2, 16, 2048))
        part = flat[start : start + size]
        part[:] = rng.choice((low, high, rng.randint(low, high)))


def _written(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def wrong_pixels(case: PixelCase, path: Path) -> str:
    """What is wrong with how the file at `path` is read; "" for nothing.

    Read by pydicom means read here, with the same HU; SimpleITK's may differ by 1 HU of rounding. Padding is
    air here and a value like any other there.
    """
    expected, padding = by_pydicom(case.raw)
    found = by_this_project(path)
    if case.how == "stream" and expected is None:
        return "" if found is None else "read, and pydicom cannot decode the stream"
    if expected is None:
        return "pydicom does not read it: the test is wrong"
    if found is None:
        return f"pixels changed ({case.how}), and the file is refused"
    if found.shape != expected.shape:
        return f"{found.shape} where pydicom reads {expected.shape}"
    reckoned = np.clip(np.rint(expected), HU_MIN, HU_MAX)
    if ((found != reckoned) & ~padding).any():
        return "other HU than pydicom's"
    if (found[padding] != HU_MIN).any() and (found[padding] != reckoned[padding]).any():
        return "padding is neither air nor its value"
    if case.how != "stream" and len(found) == 1:
        other = by_simpleitk(path)
        if other is None or other.shape != found.shape:
            return "SimpleITK reads it otherwise" if other is not None else ""
        if ((np.abs(found - np.clip(other, HU_MIN, HU_MAX)) > 1) & ~padding).any():
            return "other HU than SimpleITK's"
    return ""


def by_this_project(path: Path) -> _Stack | None:
    """(F, H, W) HU in the file's order; None for a file that is refused."""
    found = scan_folder(path)
    if not found.series:
        return None
    try:
        return np.stack(list(read_file_hu(found.series[0].slices))).astype(np.float64)
    except RefusedError:
        return None


def by_pydicom(raw: bytes) -> tuple[_Stack | None, NDArray[np.bool_]]:
    """(F, H, W) stored * slope + intercept, and which values are declared as padding; None for what it refuses."""
    nothing = np.zeros((0, 0, 0), dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(io.BytesIO(raw))
            stored = dataset.pixel_array
        except Exception:  # noqa: BLE001 - whatever it is, pydicom does not read the file
            return None, nothing
    stored = stored[None] if stored.ndim == 2 else stored
    scales = np.array([_rescale(dataset, number) for number in range(len(stored))])
    hu = stored * scales[:, :1, None] + scales[:, 1:, None]
    return hu, _is_padding(dataset, stored)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    part = dataset
    for groups, number in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        item = dataset[groups][number] if groups in dataset else Dataset()
        if "PixelValueTransformationSequence" in item:
            part = item.PixelValueTransformationSequence[0]
            break
    return float(part.RescaleSlope), float(part.RescaleIntercept)


def _is_padding(dataset: Dataset, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    if dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    ends = [
        int(dataset.PixelPaddingValue),
        int(dataset.get("PixelPaddingRangeLimit") or dataset.PixelPaddingValue),
    ]
    values = stored.astype(np.int64)
    turned = [(min(ends) + shift, max(ends) + shift) for shift in (0, 1 << 16, -(1 << 16))]
    return np.any([(values >= low) & (values <= high) for low, high in turned], axis=0)


def by_simpleitk(path: Path) -> _Stack | None:
    """(1, H, W) HU; None for what it refuses."""
    try:
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError:
        return None
    values = SimpleITK.GetArrayFromImage(image)
    return values.astype(np.float64).reshape(-1, *values.shape[-2:]) if values.ndim <= 3 else None
