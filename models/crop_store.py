"""The crop store: memory-mapped int16 HU crops with a Parquet index and a small header.

Layout of a store folder::

    store.json      schema version, geometry, data version
    hu.npy          (N, C, H, W) int16 HU; C sagittal slices left to right, H superior to inferior,
                    W anterior to posterior (anterior left, superior up when drawn)
    index.parquet   one row per crop, in the order of hu.npy
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from models.crop_index import index_fault
from models.errors import InputError, OsteoGateError
from models.params import Section
from models.replace_folder import replace_folder
from models.write_failure import unwritten

SCHEMA_VERSION = 2  # 2: kernel_class and noise_hu

INDEX_COLUMNS: dict[str, str] = {
    "patient": "str",  # keyed hash
    "series": "str",  # keyed hash of SeriesInstanceUID
    "level": "str",  # L1..L4
    "lateral_offset_mm": "float64",  # of the crop's middle slice from the body centre, + to the patient's left
    "split": "str",  # train, validation, calibration, test
    "vendor": "str",
    "kvp": "float64",
    "slice_thickness_mm": "float64",
    "pixel_spacing_mm": "float64",
    "kernel": "str",
    "kernel_class": "str",  # soft, sharp or unknown
    "noise_hu": "float64",  # image noise in muscle, one value per series; NaN where it was not measured
    "trabecular_hu": "float64",  # mean HU in the anterior trabecular region of the body, one value per level
    "sex": "str",  # F or M
    "age_years": "float64",
    "bmi_kg_m2": "float64",  # NaN where height or weight is unknown
    "bmd_g_cm2": "float64",  # of the level, on the reference (Hologic) scale
    "tbs": "float64",  # of the level
    "bmd_l1_l4_g_cm2": "float64",  # the exam's total
    "tbs_l1_l4": "float64",
    "dxa_device": "str",
}

SPLITS: tuple[str, ...] = ("train", "validation", "calibration", "test")


class CropGeometry(Section):
    """Physical shape of a crop; the same for training and serving.

    Attributes
    ----------
    pixels
        H and W.
    size_mm
        Side of the square crop.
    slices
        C, adjacent sagittal slices used as channels.
    slice_spacing_mm
        Distance between them.
    centre_shift_mm
        The crop's centre lies this far behind the vertebral body's centre.
    """

    pixels: int
    size_mm: float
    slices: int
    slice_spacing_mm: float
    centre_shift_mm: float


class StoreHeader(Section):
    """store.json."""

    schema_version: int
    count: int
    geometry: CropGeometry
    data_version: str
    data_kind: str  # simulated or site


class CropStoreError(InputError):
    """A crop store is missing, damaged or of another schema version."""


class CropStoreWriteError(OsteoGateError):
    """The crop store could not be written (disk full, say); nothing half-written is left in its place."""


@dataclass(frozen=True)
class CropStore:
    """An open crop store.

    Attributes
    ----------
    hu
        (N, C, H, W) int16 HU, memory-mapped read-only.
    index
        N rows, columns `INDEX_COLUMNS`.
    """

    header: StoreHeader
    hu: NDArray[np.int16]
    index: pd.DataFrame


class CropStoreWriter:
    """Writes a store beside its final place and renames it in when complete.

    Use as a context manager; an exception inside leaves the previous store, if any, untouched.

    Parameters
    ----------
    folder
        Where the store shall be.
    count
        N, number of crops that will be added (`add` may be called fewer times; the store is cut to fit).
    """

    def __init__(
        self, folder: Path, count: int, geometry: CropGeometry, *, data_version: str, data_kind: str
    ) -> None:
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.geometry = geometry
        self.data_version = data_version
        self.data_kind = data_kind
        self.capacity = count
        self.rows: list[tuple[object, ...]] = []  # a tuple a crop: a fifth of a mapping's memory

    def __enter__(self) -> Self:
        try:
            if self.partial.exists():
                shutil.rmtree(self.partial)
            self.partial.mkdir(parents=True)
            shape = (self.capacity, self.geometry.slices, self.geometry.pixels, self.geometry.pixels)
            needed = int(np.prod(shape)) * 2
            free = shutil.disk_usage(self.partial).free
            if free < needed:
                raise OSError(28, f"No space left on device: {needed} bytes needed, {free} free")
            self._file = (self.partial / "crops.raw").open("wb")
        except OSError as error:
            self._abandon()
            raise self._write_error(error) from error
        return self

    def add(self, hu: NDArray[np.int16], row: dict[str, object]) -> None:
        """Append one crop, (C, H, W) int16 HU, with its index row (exactly the keys of `INDEX_COLUMNS`)."""
        expected = (self.geometry.slices, self.geometry.pixels, self.geometry.pixels)
        if hu.shape != expected or hu.dtype != np.int16:
            raise ValueError(f"crop of shape {hu.shape} {hu.dtype}; expected {expected} int16")
        if set(row) != set(INDEX_COLUMNS):
            raise ValueError(f"index row keys differ from the contract: {set(row) ^ set(INDEX_COLUMNS)}")
        try:
            self._file.write(np.ascontiguousarray(hu).tobytes())
        except OSError as error:
            raise self._write_error(error) from error
        self.rows.append(tuple(row[name] for name in INDEX_COLUMNS))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._file.close()
            self._finish()
        except OSError as problem:
            self._abandon()
            raise self._write_error(problem) from problem

    def _finish(self) -> None:
        count = len(self.rows)
        shape = (count, self.geometry.slices, self.geometry.pixels, self.geometry.pixels)
        raw = self.partial / "crops.raw"
        with (self.partial / "hu.npy").open("wb") as target:
            header = {"descr": "<i2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(target, header)
            with raw.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 18)
        raw.unlink()
        index = pd.DataFrame(self.rows, columns=list(INDEX_COLUMNS)).astype(INDEX_COLUMNS)
        index.to_parquet(self.partial / "index.parquet", index=False)
        header_model = StoreHeader(
            schema_version=SCHEMA_VERSION,
            count=count,
            geometry=self.geometry,
            data_version=self.data_version,
            data_kind=self.data_kind,
        )
        (self.partial / "store.json").write_text(header_model.model_dump_json(indent=2))
        replace_folder(self.partial, self.folder)

    def _abandon(self) -> None:
        if hasattr(self, "_file"):
            # the buffered rest cannot be written on a full disk; the folder goes anyway
            with contextlib.suppress(OSError):
                self._file.close()
        shutil.rmtree(self.partial, ignore_errors=True)

    def _write_error(self, error: OSError) -> CropStoreWriteError:
        return CropStoreWriteError(f"{self.folder}: crop store not written {unwritten(error)}")


def open_crop_store(folder: Path) -> CropStore:
    """Open a store read-only.

    Raises
    ------
    CropStoreError
        Missing or damaged files, another schema version, pixels of another type or shape than the header's, or
        an index that does not match the pixels or holds what no crop has (see `models.crop_index`).
    """
    try:
        document = json.loads((folder / "store.json").read_text())
        version = document.get("schema_version")
        if version != SCHEMA_VERSION:
            raise CropStoreError(
                f"{folder}: crop store schema {version!r}; this version reads {SCHEMA_VERSION}"
            )
        header = StoreHeader.model_validate(document)
        hu = np.lib.format.open_memmap(folder / "hu.npy", mode="r")
        index = pd.read_parquet(folder / "index.parquet").reset_index(drop=True)  # rows are crops by position
    except (OSError, EOFError, ValueError, OverflowError, ValidationError, AttributeError) as error:
        raise CropStoreError(f"{folder}: not a crop store ({' '.join(str(error).split())})") from error
    crop = (header.geometry.slices, header.geometry.pixels, header.geometry.pixels)
    if hu.dtype != np.int16 or hu.ndim != 4 or hu.shape[1:] != crop:
        raise CropStoreError(
            f"{folder}/hu.npy: found {hu.dtype} of shape {hu.shape}; accepted: int16 of shape "
            f"{(header.count, *crop)}, as store.json declares"
        )
    missing = [column for column in INDEX_COLUMNS if column not in index.columns]
    if missing:
        raise CropStoreError(f"{folder}/index.parquet: columns missing: {', '.join(missing)}")
    if not (len(index) == header.count == hu.shape[0]):
        raise CropStoreError(
            f"{folder}: {len(index)} index rows, {hu.shape[0]} crops, {header.count} declared"
        )
    fault = index_fault(index, INDEX_COLUMNS, SPLITS)
    if fault is not None:
        raise CropStoreError(f"{folder}/index.parquet: {fault}")
    return CropStore(header, hu, index)
