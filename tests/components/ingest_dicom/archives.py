"""Archives for tests, and what a scan of one finds."""

from __future__ import annotations

import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.scan import ScanResult
from components.ingest_dicom.source import Source, open_source
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_segmentation, make_series

ROOMY = IngestParams()
SIX_SLICES = 6


def scan_archive(archive: Path, scratch: Path, params: IngestParams = ROOMY) -> ScanResult:
    """Open and scan it; nothing may be left in `scratch`."""
    with open_source(Source(str(archive)), scratch=scratch, params=params) as opened:
        found = opened.scan()
    assert list(scratch.iterdir()) == []
    return found


def codes(found: ScanResult) -> Counter[Code]:
    """Of the files in no series."""
    return Counter(other.code for other in found.others)


def refused_archive(archive: Path, scratch: Path, params: IngestParams = ROOMY) -> RefusedError:
    """It is refused as a whole, and nothing is left in `scratch`."""
    with pytest.raises(RefusedError) as caught:
        scan_archive(archive, scratch, params)
    assert list(scratch.iterdir()) == []
    return caught.value


def write_tar(path: Path, folder: Path, mode: str = "w") -> Path:
    """A tar of a folder, under the name study/."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname="study")
    return path


def write_zip(path: Path, folder: Path) -> Path:
    """A zip of what is in a folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for item in sorted(folder.rglob("*")):
            file.write(item, item.relative_to(folder))
    return path


def write_study(folder: Path) -> Path:
    """Six slices, a segmentation and a text."""
    make_series(folder / "ct", slices=SIX_SLICES)
    make_segmentation(folder / "seg.dcm")
    (folder / "report.txt").write_text("not DICOM")
    return folder
