"""Taking the CT series of a source into a cohort folder: each image once, everything else counted with its code."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.same_data_set import same_data_set
from components.ingest_dicom.scan import ScanResult
from components.ingest_dicom.source import OpenedSource, Source, StageProgress, open_source
from models.alone_in import alone_in
from models.errors import OsteoGateError
from models.write_failure import unwritten

# besides CT images: what may hold a series' levels, by `OtherFile.kind`
LEVEL_OBJECTS = ("segmentation", "structure set")
log = structlog.get_logger()


class TakeInError(OsteoGateError):
    """The cohort folder cannot be written."""


@dataclass
class TakenIn:
    """What became of the files of a source: `files == copied + already_there + sum(left)`.

    Attributes
    ----------
    left
        Code to number of files that were not copied.
    series
        CT series among what was copied or there already.
    """

    files: int
    series: int
    copied: int = 0
    already_there: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """For a program."""
        return {
            "files": self.files,
            "series": self.series,
            "copied": self.copied,
            "already_there": self.already_there,
            "left": dict(sorted(self.left.items())),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"files: {self.files}, in {self.series} CT series and beside them"
        yield f"copied: {self.copied}"
        yield f"there already: {self.already_there}"
        yield f"left: {self.left.total()}"
        for code, count in sorted(self.left.items()):
            yield f"  {code}: {count}"


def take_in(
    source: Source,
    cohort: Path,
    *,
    pseudonymiser: Pseudonymiser,
    params: IngestParams,
    home: Path,
    progress: StageProgress,
) -> TakenIn:
    """Copy every CT image and level object of the source to `cohort/series/<series hash>/<instance hash>.dcm`.

    An instance that is there already with the same data set is not copied; with another one it is kept beside it,
    to be judged by validation (DUPLICATE_UID). Each copy is written beside and renamed in.

    Parameters
    ----------
    home
        Folder for scratch; a DICOMweb retrieval that breaks off stays there until it is completed.
    progress
        Called with (stage, done, total).

    Raises
    ------
    TakeInError
        A copy cannot be written.
    FolderBusyError
        Another source is being taken into the cohort.
    RefusedError, OsteoGateError
        As `open_source` and `scan_folder`.
    """
    asked = "\n".join(
        [
            str(cohort.resolve()),
            source.place,
            *(f"{key}={value}" for key, value in sorted(source.query.items())),
        ]
    )
    keep = home / "retrieved" / hashlib.sha256(asked.encode()).hexdigest()[:16]
    with (
        alone_in(cohort),
        open_source(source, scratch=home / "scratch", params=params, keep=keep, progress=progress) as opened,
    ):
        found = opened.scan(
            workers=params.workers, progress=lambda done, total: progress("headers", done, total)
        )
        taken = TakenIn(found.file_count, len(found.series))
        wanted = list(_wanted(found, pseudonymiser))
        for done, (path, target) in enumerate(wanted, start=1):
            if _copy(path, cohort / "series" / target, opened):
                taken.copied += 1
            else:
                taken.already_there += 1
            progress("copy", done, len(wanted))
        taken.left.update(other.code.value for other in found.others if not _holds_levels(other))
    shutil.rmtree(keep, ignore_errors=True)
    log.info("taken in", **{key: value for key, value in taken.as_dict().items() if key != "left"})
    return taken


def _holds_levels(other: OtherFile) -> bool:
    return other.kind in LEVEL_OBJECTS and other.path.is_file()


def _wanted(found: ScanResult, pseudonymiser: Pseudonymiser) -> Iterator[tuple[Path, Path]]:
    """Each file to copy and where to, relative to series/: hashes only."""
    for series in found.series:
        folder = pseudonymiser.uid(series.identity)
        for header in series.files:
            yield header.path, Path(folder, _name(header.path, header.sop_instance_uid, pseudonymiser))
    for other in filter(_holds_levels, found.others):
        folder = pseudonymiser.uid(other.series_instance_uid) or "levels"
        yield other.path, Path(folder, _name(other.path, "", pseudonymiser))


def _name(path: Path, uid: str, pseudonymiser: Pseudonymiser) -> str:
    """Hash of the instance UID; of the content where there is none."""
    return f"{pseudonymiser.uid(uid or _digest(path))}.dcm"


def _copy(path: Path, target: Path, opened: OpenedSource) -> bool:
    """Whether the file had to be copied."""
    if target.exists():
        if filecmp.cmp(path, target, shallow=False) or same_data_set(path, target):
            return False
        target = target.with_name(f"{target.stem}-{_digest(path)[:8]}.dcm")
        if target.exists():
            return False
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        _link_or_copy(path, partial) if opened.scratch else shutil.copyfile(path, partial)
        partial.replace(target)
    except OSError as error:
        raise TakeInError(f"{target.parent}: a copy is not written {unwritten(error)}") from error
    return True


def _link_or_copy(path: Path, target: Path) -> None:
    """Scratch goes away: on one file system its content need not be written twice."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
