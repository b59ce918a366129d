"""A patient whose identity stands wherever DICOM can hold text, and the search for it in files."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from components.ingest_dicom.deidentify import retained

# what is searched for, in any case of letters; the ones for numbers and dates are long enough not to arise by chance
NAME, GIVEN, BORN, ACCESSION, PATIENT_ID = "Zzmusterfrau", "Xxerika", "19470302", "ACQQ7766554", "HOSPQQ4711"
UID, TIME, CODE, AT_HOME = "1.2.276.0.99.194703.1", "031415.926535", "ZZQCODE", "Quuxstrasse 12"
PLANTED = (
    NAME, GIVEN, BORN, "1947-03-02", ACCESSION, PATIENT_ID, "1.2.276.0.99.194703", "031415.92", CODE, "Quuxstrasse",
    "194703.02", "zzq.example",
)  # fmt: skip
BY_VR: dict[str, str | bytes] = {
    "AE": "ZZQCODE_AE", "AS": "077W", "CS": "ZZQCODE_CS", "DA": BORN, "DS": "194703.02", "DT": f"{BORN}{TIME}",
    "IS": BORN, "LO": f"{NAME} {GIVEN}", "LT": f"{GIVEN} {NAME}, {AT_HOME}", "PN": f"{NAME}^{GIVEN}", "SH": ACCESSION,
    "ST": f"Dear {NAME}", "TM": TIME, "UC": f"{NAME} unlimited", "UI": UID, "UR": "http://zzq.example/Zzmusterfrau",
    "UT": f"{NAME} lives at {AT_HOME}", "UN": f"{NAME} unknown".encode(), "OB": f"{NAME} bytes ".encode(),
}  # fmt: skip
# nested three deep here, one deep elsewhere: kept sequences, and one that is not
DEEP = (
    "ReferencedSeriesSequence",
    "SourceImageSequence",
    "AnatomicRegionSequence",
    "RequestAttributesSequence",
)
# what `plant_everywhere` leaves alone: planted by `plant_person`, or what an image cannot be without
KEPT = frozenset((*retained.TECHNIQUE, *retained.DATES, *retained.PIXELS)) | {"PatientAge", "PatientSex"}
TEXT_VRS = tuple(vr for vr in BY_VR if vr not in ("OB",))


def plant_person(dataset: Dataset) -> None:
    """Who the patient is, where a hospital writes it."""
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = f"{NAME}^{GIVEN}", PATIENT_ID, BORN
    dataset.AccessionNumber, dataset.ReferringPhysicianName = ACCESSION, f"{NAME}^{GIVEN}"
    dataset.StudyDescription = f"Abdomen {NAME}"
    dataset.SeriesDescription = f"LWS 3.0 {GIVEN}_{PATIENT_ID}"
    dataset.StationName = dataset.SoftwareVersions = dataset.FilterType = f"CT_{NAME}"
    dataset.ManufacturerModelName = f"SOMATOM {NAME}"


def plant_everywhere(dataset: Dataset, kept: frozenset[str]) -> int:
    """An identifier in every text attribute of the standard but those named, top level and nested; how many."""
    count = 0
    for number, (vr, _, _, _, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if tag.group < 0x0008 or not keyword or keyword in kept or tag in dataset or tag.group == 0xFFFE:
            continue
        if vr == "SQ":
            dataset.add_new(tag, vr, Sequence([_item(2 if keyword in DEEP else 0)]))
        elif vr in BY_VR:
            dataset.add_new(tag, vr, BY_VR[vr])
        else:
            continue
        count += 1
    plant_private(dataset)
    return count


def plant_private(dataset: Dataset) -> None:
    """Private elements of every text VR, and a private sequence."""
    block = dataset.private_block(0x0029, f"ZZQ {NAME}", create=True)
    for offset, (vr, value) in enumerate(BY_VR.items()):
        block.add_new(offset, vr, value)
    block.add_new(0x90, "SQ", Sequence([_item(1)]))


def _item(depth: int) -> Dataset:
    item = Dataset()
    item.PatientName, item.PatientID, item.PatientBirthDate = f"{NAME}^{GIVEN}", PATIENT_ID, BORN
    item.AccessionNumber, item.PatientBirthTime = ACCESSION, TIME
    item.CodeMeaning, item.CodeValue, item.TextValue = f"{NAME} {GIVEN}", CODE, f"{NAME}, {AT_HOME}"
    item.ReferencedSOPInstanceUID, item.SeriesInstanceUID, item.AcquisitionDateTime = (
        UID,
        UID,
        f"{BORN}{TIME}",
    )
    item.RetrieveURL = item.URNCodeValue = "http://zzq.example/Zzmusterfrau"
    item.PersonName, item.LongCodeValue, item.SelectorASValue = f"{NAME}^{GIVEN}", f"{NAME} long", "077W"
    block = item.private_block(0x0031, f"ZZQ {NAME}", create=True)
    block.add_new(1, "LO", NAME)
    if depth:
        item.RequestAttributesSequence = [_item(depth - 1)]
        item.ReferencedSeriesSequence = [_item(depth - 1)]
        item.AnatomicRegionSequence = [_item(depth - 1)]
    return item


def write_in(syntax: str, path: Path) -> None:
    """Write an uncompressed image again in another transfer syntax."""
    dataset = pydicom.dcmread(path)
    if syntax == dataset.file_meta.TransferSyntaxUID:
        return
    again = Dataset()  # pydicom converts no data set that was read in the other byte order
    for element in dataset:
        again.add(element)
    if syntax == ExplicitVRBigEndian:
        again.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    again.file_meta, again.preamble = dataset.file_meta, dataset.preamble
    again.file_meta.TransferSyntaxUID = syntax
    again.save_as(path, enforce_file_format=True)


def found_in(folder: Path, but: tuple[str, ...] = ()) -> list[str]:
    """'path: identifier' of everything planted that any file or file name below a folder holds.

    Bytes are searched as they are and as UTF-16; compressed tables, archives, pages and databases opened as well.

    Parameters
    ----------
    but
        Names of files that are the identity's own place.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        found += [f"{relative}: {one} (name)" for one in PLANTED if one.lower() in relative.lower()]
        if path.is_file() and path.name not in but:
            found += sorted({f"{relative}: {one}" for text in _texts(path) for one in _named(text)})
    return found


def _named(content: bytes) -> Iterator[str]:
    lowered = content.lower()
    for one in PLANTED:
        plain = one.lower()
        if any(plain.encode(code) in lowered for code in ("ascii", "utf-16-le", "utf-16-be")):
            yield one


def _texts(path: Path) -> Iterator[bytes]:
    """The file as it is, and what a reader would see in it."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        yield frame.to_csv().encode()
        yield str(frame.attrs).encode()
    elif zipfile.is_zipfile(path):  # .npz, .pt, .onnx beside
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)
    elif content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png_texts(content)
    elif content[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode()
    elif content[128:132] == b"DICM":
        # the file meta information names the transfer syntax; a deflated data set follows it (PS3.10 7.1)
        start = 144 + int.from_bytes(content[140:144], "little")
        if DeflatedExplicitVRLittleEndian.encode() + b"\0" in content[:start].replace(b"\0\0", b"\0"):
            yield zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:])
        yield _swapped(content)
    elif path.suffix == ".npy":
        yield np.load(path, mmap_mode="r").tobytes()


def _swapped(content: bytes) -> bytes:
    """Bytes in pairs the other way round: how text in a word attribute stands in the other byte order."""
    even = content[: len(content) // 2 * 2]
    return np.frombuffer(even, "<u2").byteswap().tobytes()


def _png_texts(content: bytes) -> Iterator[bytes]:
    """Text chunks of a PNG, inflated."""
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        data = content[place + 8 : place + 8 + length]
        if kind in (b"tEXt", b"iTXt", b"zTXt", b"eXIf"):
            yield data
            if kind == b"zTXt":
                yield zlib.decompress(data.split(b"\0", 1)[1][1:])
        place += 12 + length
