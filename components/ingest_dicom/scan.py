"""Walking a folder of files with any names in any order, and grouping them into series by their headers."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.ingest_dicom.dicomdir import KIND as DICOMDIR_KIND
from components.ingest_dicom.dicomdir import missing_files, spelled
from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.read_headers import read_headers
from models.refusal import Code, refuse

# progress(done, total) is called as files are read
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SeriesFiles:
    """The CT files under one SeriesInstanceUID, in path order (which means nothing: sort by position).

    Files without a SeriesInstanceUID are taken as one series per folder; their uid is "".
    """

    series_instance_uid: str
    files: tuple[Header, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files are."""
        return tuple(header.path for header in self.files)

    @property
    def slices(self) -> tuple[Header, ...]:
        """One header a slice: the files, with the frames of multi-frame objects in their place."""
        return tuple(one for header in self.files for one in header.frames or (header,))

    @property
    def identity(self) -> str:
        """What the series hash is made from: the UID, else study and slice positions (never file names)."""
        if self.series_instance_uid:
            return self.series_instance_uid
        facts = sorted(f"{header.study_instance_uid}{header.position_mm}" for header in self.slices)
        return "no-uid-" + hashlib.sha256("".join(facts).encode()).hexdigest()


@dataclass(frozen=True)
class ScanResult:
    """What a folder holds: every file read is in a series or among the others.

    Attributes
    ----------
    series
        CT series, by SeriesInstanceUID.
    others
        Everything else with its code; DICOM SEG objects are `kind == "segmentation"`, RTSTRUCT "structure set".
    """

    series: list[SeriesFiles]
    others: list[OtherFile]

    @property
    def file_count(self) -> int:
        """Files read."""
        return sum(len(series.files) for series in self.series) + len(self.others)

    @property
    def segmentations(self) -> list[OtherFile]:
        """DICOM SEG and RTSTRUCT objects, candidates for vertebra levels."""
        return [other for other in self.others if other.kind in ("segmentation", "structure set")]

    def level_objects(self, series: SeriesFiles) -> list[OtherFile]:
        """Segmentations and structure sets of a series that name L1-L4, else those that do not say what they hold.

        One that refers to no series belongs to every series of its frame of reference.
        """
        uid = series.series_instance_uid
        frames = {header.frame_of_reference_uid for header in series.files} - {""}
        referring = [
            other
            for other in self.segmentations
            if (uid and uid in other.referenced_series)
            or (not other.referenced_series and frames & set(other.referenced_frames))
        ]
        named = [other for other in referring if other.levels_named]
        return named or [other for other in referring if other.levels_named is None]


def scan_folder(
    folder: Path,
    *,
    names: Mapping[Path, PurePosixPath] | None = None,
    refused: Iterable[OtherFile] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Read the header of every file under `folder` (or of one file) and group CT images into series.

    Names, extensions and order of files mean nothing. A folder reached twice through links is read once;
    a folder that may not be entered is listed as FILE_UNREADABLE. DICOMDIR files are not trusted: they are
    listed as what they are, the images they name are found by walking, and what they name in vain is listed.

    Parameters
    ----------
    names
        What files were called before they came here (in an archive); by default, their own names.
    refused
        Parts of the source that are not in `folder`, with their codes.
    workers
        Processes that read headers; None takes the number of CPUs.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when there is no folder or no file in it.
    """
    if not folder.exists():
        raise refuse(Code.EMPTY_INPUT, f"{folder}: no such file or folder")
    found = [folder] if folder.is_file() else list(_walk(folder))
    left = [*refused, *(item for item in found if isinstance(item, OtherFile))]
    if not found and not left:
        raise refuse(Code.EMPTY_INPUT, f"{folder}: no file in it")
    paths = sorted(item for item in found if isinstance(item, Path))
    read = read_headers(paths, workers=workers, progress=progress)
    if folder.is_dir():
        called = {path: PurePosixPath(path.relative_to(folder)) for path in paths} | dict(names or {})
        left += _listed_in_vain(read, called)
    return _group(read, left)


def _listed_in_vain(
    read: list[Header | OtherFile], names: Mapping[Path, PurePosixPath]
) -> Iterator[OtherFile]:
    directories = [item for item in read if isinstance(item, OtherFile) and item.kind == DICOMDIR_KIND]
    if directories:
        present = {spelled(names[item.path]) for item in read}
        for item in directories:
            yield from missing_files(item.path, names[item.path], present)


def series_from_paths(paths: Iterable[Path]) -> SeriesFiles:
    """The series made of exactly these files, as listed in locations.json.

    Raises
    ------
    RefusedError
        With the file's code when one is no CT image (any more), MIXED_SERIES when they are several series.
    """
    result = _group([read_header(path) for path in paths], [])
    if result.others:
        other = result.others[0]
        raise refuse(other.code, f"a file of the series: {other.found}")
    if len(result.series) != 1:
        raise refuse(Code.MIXED_SERIES, f"{len(result.series)} series where one is expected")
    return result.series[0]


def _walk(folder: Path) -> Iterator[Path | OtherFile]:
    """Files under a folder; each real folder once, so that loops of symbolic links end."""
    refused: list[OtherFile] = []

    def on_error(error: OSError) -> None:
        path = Path(error.filename)
        refused.append(
            OtherFile(path, Code.FILE_UNREADABLE, "folder", f"cannot be entered ({error.strerror})")
        )

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield path
            else:  # a broken link, a socket, a device
                yield OtherFile(path, Code.FILE_UNREADABLE, "file", "neither a file nor a folder")
    yield from refused


def _group(read: list[Header | OtherFile], refused: list[OtherFile]) -> ScanResult:
    others = [item for item in read if isinstance(item, OtherFile)] + refused
    by_series: dict[tuple[str, str], list[Header]] = defaultdict(list)
    for header in read:
        if isinstance(header, Header):
            uid = header.series_instance_uid
            by_series[(uid, "" if uid else str(header.path.parent))].append(header)
    series = []
    for (uid, _), headers in sorted(by_series.items()):
        kept, left = _without_scouts(headers)
        others.extend(left)
        kept, left = _without_copies(kept)
        others.extend(left)
        series.append(SeriesFiles(uid, tuple(kept)))
    return ScanResult(series, others)


def is_localizer(header: Header) -> bool:
    """Whether ImageType says that the image is a scout (DICOM PS3.3 C.8.2.1.1.1)."""
    return "LOCALIZER" in header.image_type


def _without_scouts(headers: list[Header]) -> tuple[list[Header], list[OtherFile]]:
    """Scouts stored under the UID of an axial series are taken out of it; a series of scouts stays one."""
    scouts = [header for header in headers if is_localizer(header)]
    if len(scouts) in (0, len(headers)):
        return headers, []
    kept = [header for header in headers if not is_localizer(header)]
    return kept, [_other(header, Code.LOCALIZER, "localizer", "a scout among slices") for header in scouts]


def _without_copies(headers: list[Header]) -> tuple[list[Header], list[OtherFile]]:
    """Byte-identical copies of one image are read once; different images with one UID stay, to be judged."""
    uses = Counter(header.sop_instance_uid for header in headers if header.sop_instance_uid)
    digests: set[str] = set()
    kept, copies = [], []
    for header in headers:
        if uses[header.sop_instance_uid] > 1:
            with header.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest in digests:
                copies.append(_other(header, Code.FILE_COPY, "copy", "the same bytes as another file"))
                continue
            digests.add(digest)
        kept.append(header)
    return kept, copies


def _other(header: Header, code: Code, kind: str, found: str) -> OtherFile:
    return OtherFile(header.path, code, kind, found, header.patient_id, header.series_instance_uid)
