"""What is mutated: real files of every kind in the shared corpus, and factory files of the kinds it lacks."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.dicom_factory import make_segmentation, make_series

ROOT = Path(__file__).resolve().parents[2]
# one or two files of each series: every file of one scanner is mutated alike
REAL = {
    "header_zoo": "*.dcm",
    "ge_discovery_ls_lumbar": "dicom/*50*",
    "siemens_biograph_j2k_t11_t12": "dicom/*16573",
    "ge_tilt_variable_spacing": "dicom/0[1-4].dcm",
    "philips_tilt_scout_secondary_capture": "*/I10",
    "ge_lightspeed_dicom_seg": "*/*.dcm",
}


@dataclass(frozen=True)
class Place:
    """Where one element of the data set lies in the file's bytes."""

    tag: tuple[int, int]
    vr: str
    start: int
    value: int
    end: int
    big: bool
    implicit: bool


@dataclass(frozen=True)
class Base:
    """One sound file.

    Attributes
    ----------
    blob
        Its bytes; of a deflated file, inflated (`head` bytes of file meta information come first).
    places
        Elements of the file meta information and of the data set, in file order.
    """

    name: str
    blob: bytes
    head: int
    deflated: bool
    encapsulated: bool
    places: tuple[Place, ...]

    @property
    def pixels(self) -> Place | None:
        """The pixel data."""
        return next((place for place in self.places if place.tag == (0x7FE0, 0x0010)), None)

    def packed(self, blob: bytes) -> bytes:
        """Mutated bytes as they stand in a file: deflated again where the base was."""
        return deflated(blob, self.head) if self.deflated else blob


def deflated(blob: bytes, head: int) -> bytes:
    """File bytes with everything behind the file meta information deflated (DICOM PS3.5 A.5)."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return blob[:head] + squeeze.compress(blob[head:]) + squeeze.flush()


def read_base(name: str, raw: bytes) -> Base:
    """Parse one sound file into its elements' places."""
    head = 144 + int(pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True).file_meta[0x20000].value)
    syntax = pydicom.dcmread(io.BytesIO(raw), specific_tags=[]).file_meta.TransferSyntaxUID
    deflate = syntax == DeflatedExplicitVRLittleEndian
    blob = raw[:head] + zlib.decompress(raw[head:], -zlib.MAX_WBITS) if deflate else raw
    dataset = pydicom.dcmread(io.BytesIO(raw))
    places = [
        place
        for part, shift in ((dataset.file_meta, 0), (dataset, head if deflate else 0))
        for tag in part.keys()  # noqa: SIM118 - iterating converts every element
        if (place := _place(part, tag, shift, blob)) is not None
    ]
    places.sort(key=lambda place: place.start)
    ends = [*(place.start for place in places[1:]), len(blob)]
    fitted = tuple(
        Place(p.tag, p.vr, p.start, p.value, end, p.big, p.implicit)
        for p, end in zip(places, ends, strict=True)
    )
    return Base(name, blob, head, deflate, syntax.is_encapsulated, fitted)


def _place(part: Dataset, tag: BaseTag, shift: int, blob: bytes) -> Place | None:
    item = part.get_item(tag)
    value = getattr(item, "value_tell", None) or getattr(item, "file_tell", None)
    if not value:
        return None
    implicit, little = part.original_encoding
    implicit, little = getattr(item, "is_implicit_VR", implicit), getattr(item, "is_little_endian", little)
    vr = str(item.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"))
    written = struct.pack("<HH" if little else ">HH", tag.group, tag.element)
    for header in (12, 8):  # pydicom may have put a known VR in the place of UN
        start = value + shift - header
        if blob[start : start + 4] == written:
            return Place((tag.group, tag.element), vr, start, value + shift, 0, not little, bool(implicit))
    return None


def load_corpus(folder: Path) -> tuple[list[Base], list[list[Base]]]:
    """Single files, and small whole series, from what `write_corpus` left in `folder`."""
    singles = [read_base(path.name, path.read_bytes()) for path in sorted((folder / "single").iterdir())]
    series = [
        [read_base(path.name, path.read_bytes()) for path in sorted(part.iterdir())]
        for part in sorted((folder / "series").iterdir())
    ]
    return singles, series


def write_corpus(folder: Path, *, real: Path | None, archives: tuple[str, ...] = tuple(REAL)) -> int:
    """Factory files, and with `real` some archives of the shared corpus too, as flat folders.

    Returns
    -------
    The number of single files.
    """
    single, series = folder / "single", folder / "series"
    single.mkdir(parents=True)
    _factory_files(single)
    _factory_series(series)
    for name in archives if real is not None else ():
        with tarfile.open(real / f"{name}.tar.xz") as tar:
            tar.extractall(folder / "real", filter="data")
        for number, path in enumerate(sorted((folder / "real" / name).rglob(REAL[name]))):
            (single / f"{name}-{number:02d}").write_bytes(path.read_bytes())
    if (folder / "real" / "ge_discovery_ls_lumbar").is_dir():
        slices = sorted((folder / "real" / "ge_discovery_ls_lumbar" / "dicom").iterdir())[:6]
        for path in slices:
            target = series / "ge" / path.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    return len(list(single.iterdir()))


def real_data() -> Path | None:
    """The folder of real data, None where it is absent."""
    folder = Path(os.environ.get("OSTEOGATE_REAL_DATA", ROOT.parent / "shared" / "data"))
    return folder if all((folder / f"{name}.tar.xz").is_file() for name in REAL) else None


def _factory_files(single: Path) -> None:
    rng = np.random.default_rng(7)
    hu = rng.integers(-1000, 1500, (1, 24, 20), dtype=np.int16)
    nested = Dataset()
    nested.RequestedProcedureDescription = "nested"
    nested.RequestAttributesSequence = Sequence([Dataset()])
    syntaxes = {
        "explicit": ExplicitVRLittleEndian,
        "implicit": ImplicitVRLittleEndian,
        "big": ExplicitVRBigEndian,
        "deflated": DeflatedExplicitVRLittleEndian,
        "rle": RLELossless,
    }
    for name, syntax in syntaxes.items():
        written = ExplicitVRLittleEndian if syntax in (RLELossless, ExplicitVRBigEndian) else syntax
        overrides = {
            "RequestAttributesSequence": Sequence([nested, nested]),
            "SpecificCharacterSet": "ISO_IR 192",
        }
        folder = single / "making"
        made = make_series(folder, slices=1, rows=24, columns=20, hu=hu, syntax=written, **overrides)[0]
        if syntax == RLELossless:
            dataset = pydicom.dcmread(made)
            dataset.compress(RLELossless)
            dataset.save_as(made)
        if syntax == ExplicitVRBigEndian:
            _to_big_endian(made)
        made.rename(single / f"factory-{name}")
        folder.rmdir()
    make_series(single / "making", slices=1, signed=True, intercept=0.0, PixelPaddingValue=-2000)[0].rename(
        single / "factory-signed"
    )
    (single / "making").rmdir()
    make_segmentation(single / "factory-segmentation")


def _to_big_endian(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.walk(lambda _, element: None)  # every element out of its little-endian bytes
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)


def _factory_series(series: Path) -> None:
    rng = np.random.default_rng(11)
    # a trunk of 40 HU with a ring of bone: the search for spine and aorta has something to find
    y, x = np.mgrid[-40:40, -40:40]
    plane = np.where(np.hypot(y, x) < 38, 40, -1000)
    ring = np.abs(np.hypot(y - 18, x) - 9) < 3
    plane = np.where(ring, 400, plane) + rng.integers(-8, 9, (8, 80, 80))
    for name, syntax in (("factory", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        make_series(
            series / name, slices=8, rows=80, columns=80, spacing_mm=4.0, pixel_spacing_mm=(2.0, 2.0),
            hu=plane.astype(np.int16), syntax=syntax,
        )  # fmt: skip
