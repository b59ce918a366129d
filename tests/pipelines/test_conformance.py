"""The conformance statement says of the code what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from components.ingest_dicom.headers import Header
from components.ingest_dicom.pixels import read_hu
from components.ingest_dicom.read_header import read_header
from models.refusal import Code, RefusedError
from pipelines.conformance import PAGE, PART, TABLES, decoders_of, with_tables
from pipelines.conformance_probe import READ, storage_classes
from tests.dicom_factory import make_series

# the sections of DICOM PS3.2, in its order
SECTIONS = [
    "Conformance Statement Overview", "Introduction", "Networking", "Media interchange",
    "Transformation of DICOM to CDA", "Support of character sets", "Security", "Annexes",
]  # fmt: skip


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {part[1] for part in PART.findall(page)} == set(TABLES)
    assert page == with_tables(page), "write them anew: python -m pipelines.conformance"


def test_the_sections_are_in_the_order_of_the_standard() -> None:
    assert re.findall(r"^## \d (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == SECTIONS


def test_every_code_it_names_exists() -> None:
    words = set(re.findall(r"`([A-Z]{2,}_[A-Z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert len(words) > 8
    assert words <= {code.value for code in Code}


def test_the_classes_are_what_the_reader_makes_of_them() -> None:
    found = {uid.keyword: outcome for uid, outcome in storage_classes()}
    assert found["CTImageStorage"] == READ
    assert found["SecondaryCaptureImageStorage"] == "SECONDARY_CAPTURE"
    assert found["MRImageStorage"] == found["SegmentationStorage"] == "NOT_CT"
    assert set(found.values()) - {READ} <= {code.value for code in Code}


def test_little_endian_syntaxes_are_read(tmp_path: Path) -> None:
    for number, syntax in enumerate(("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99")):
        (source,) = make_series(tmp_path / str(number), slices=1, hu=77)
        dataset = pydicom.dcmread(source)
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        path = tmp_path / f"{number}.dcm"
        dataset.save_as(path, implicit_vr=syntax == "1.2.840.10008.1.2", enforce_file_format=True)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
        header = read_header(path)
        assert isinstance(header, Header)
        assert (read_hu(header) == 77).all(), syntax


@pytest.mark.real_ct
def test_real_files_of_a_syntax_are_decoded_as_the_table_says(real_data: Callable[[str], Path]) -> None:
    """Every CT file of the corpus whose syntax the table calls read gives HU, unless its header refuses it."""
    seen: dict[str, set[str]] = {}
    for path in sorted(real_data("header_zoo").rglob("*")):
        header = read_header(path) if path.is_file() else None
        if not isinstance(header, Header):
            continue
        syntax = UID(header.transfer_syntax_uid)
        assert decoders_of(syntax), syntax.name
        try:
            for frame in header.frames or (header,):
                read_hu(frame)
            seen.setdefault(syntax.name, set()).add(READ)
        except RefusedError as error:
            seen.setdefault(syntax.name, set()).update(code.value for code in error.codes)
    assert len([name for name, found in seen.items() if READ in found]) >= 5, seen
    for name, found in seen.items():
        assert found <= {READ, "RESCALE_MISSING", "FILE_TRUNCATED"}, name
