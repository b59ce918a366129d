"""Which files of a source are taken into a cohort: images, level objects, and the tables of a cohort's own layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.ingest_dicom.deidentify.plan import CARD, DXA, LEVELS, Kind, level_kind
from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.scan import ScanResult
from components.ingest_dicom.source import OpenedSource

# besides CT images: what may hold a series' levels, by `OtherFile.kind`
LEVEL_OBJECTS = ("segmentation", "structure set")


@dataclass(frozen=True)
class WantedFile:
    """One file to take in.

    Attributes
    ----------
    kind
        DICOM, DXA, CENTRES or LABEL_MAP.
    patient_id, series, instance
        Of DICOM, as the source has them; `series` is what stands for its series (`SeriesFiles.identity`), `instance`
        its SOPInstanceUID, "" where the content must stand for it.
    level_name
        Of a file in levels/ of the source: its name, which says whose levels it holds; else "".
    is_image
        Whether it is of a CT series.
    """

    path: Path
    kind: Kind
    patient_id: str = ""
    series: str = ""
    instance: str = ""
    level_name: str = ""
    is_image: bool = False


def wanted_files(found: ScanResult, opened: OpenedSource) -> tuple[list[WantedFile], list[OtherFile]]:
    """What is taken in, images first, and everything else with its code."""
    wanted = [
        WantedFile(
            header.path,
            Kind.DICOM,
            header.patient_id,
            series.identity,
            header.sop_instance_uid,
            is_image=True,
        )
        for series in found.series
        for header in series.files
    ]
    left = []
    layout = dict(_layout(found, opened))
    for other in found.others:
        one = _beside(other, layout.get(other.path, ""))
        if one is None:
            left.append(other)
        else:
            wanted.append(one)
    return wanted, left


def _beside(other: OtherFile, name: str) -> WantedFile | None:
    """A file that is no CT image, as it is taken in; None for one that is not."""
    if not other.path.is_file():
        return None
    folder, _, level_name = name.rpartition("/")
    level_name = level_name if folder == LEVELS else ""
    if other.kind in LEVEL_OBJECTS:
        return WantedFile(
            other.path, Kind.DICOM, other.patient_id, other.series_instance_uid, level_name=level_name
        )
    if name == DXA:
        return WantedFile(other.path, Kind.DXA)
    kind = level_kind(level_name)
    if kind in (Kind.CENTRES, Kind.LABEL_MAP):
        return WantedFile(other.path, kind, level_name=level_name)
    return None


def _layout(found: ScanResult, opened: OpenedSource) -> Iterator[tuple[Path, str]]:
    """Names below the folder that holds cohort.json or dxa.csv: in an archive it may be a folder of its own."""
    root = opened.folder if opened.folder.is_dir() else opened.folder.parent
    names = {
        other.path: opened.names.get(other.path) or PurePosixPath(other.path.relative_to(root).as_posix())
        for other in found.others
        if other.path in opened.names or other.path.is_relative_to(root)
    }
    tops = [name.parent for name in names.values() if name.name in (CARD, DXA)]
    top = min(tops, key=lambda folder: len(folder.parts), default=PurePosixPath())
    for path, name in names.items():
        if name.is_relative_to(top):
            yield path, name.relative_to(top).as_posix()
