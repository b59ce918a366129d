"""Where CT comes from: a folder, a DICOMDIR, an archive or a DICOMweb server, opened as files on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from components.ingest_dicom.archive import unpack
from components.ingest_dicom.archive_kind import OPENED, archive_kind
from components.ingest_dicom.dicomdir import is_dicomdir
from components.ingest_dicom.dicomweb import Server, retrieve
from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.scan import Progress, ScanResult, scan_folder
from components.ingest_dicom.scratch import scratch_folder
from models.errors import InputError, ParameterError
from models.refusal import Code, refuse

SCHEMES = ("http://", "https://")
# progress(stage, done, total): "unpack" in bytes, "retrieve" in instances, "headers" in files
StageProgress = Callable[[str, int, int], None]


class SourceError(ParameterError):
    """The source and what was said of it do not fit together."""


class LoginFileError(InputError):
    """The file with a login cannot be read or holds none."""


@dataclass(frozen=True)
class Source:
    """What to read.

    Attributes
    ----------
    place
        Folder, DICOMDIR, archive, any other file, or the address of a DICOMweb service.
    query
        DICOM keyword to value; of a DICOMweb service only, and needed there.
    login
        Of a DICOMweb service: (user, password), a bearer token, or None.
    """

    place: str
    query: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | str | None = None

    def __post_init__(self) -> None:
        if self.is_server and not self.query:
            raise SourceError(f"{self.place}: a DICOMweb server needs --query, PatientID=123 say")
        if not self.is_server and (self.query or self.login):
            raise SourceError(
                f"{self.place}: --query and --login are for a DICOMweb server (http:// or https://)"
            )

    @property
    def is_server(self) -> bool:
        """Whether the place is an address."""
        return self.place.lower().startswith(SCHEMES)


@dataclass(frozen=True)
class OpenedSource:
    """Files of a source on disk.

    Attributes
    ----------
    folder
        Where they are, or the one file.
    names
        Of files that were taken out of an archive: their names in it.
    refused
        What the source has and the disk has not, with codes.
    scratch
        Whether the files are copies that go when the source is closed.
    """

    folder: Path
    names: Mapping[Path, PurePosixPath] = field(default_factory=dict)
    refused: tuple[OtherFile, ...] = ()
    scratch: bool = False

    def scan(self, *, workers: int | None = None, progress: Progress | None = None) -> ScanResult:
        """Series and other files; takes and raises what `scan_folder` does."""
        return scan_folder(
            self.folder, names=self.names, refused=self.refused, workers=workers, progress=progress
        )


@contextmanager
def open_source(
    source: Source,
    *,
    scratch: Path,
    params: IngestParams,
    keep: Path | None = None,
    progress: StageProgress | None = None,
) -> Iterator[OpenedSource]:
    """The source as files on disk for as long as the context lasts.

    Parameters
    ----------
    scratch
        Folder for what is unpacked or retrieved; what one source leaves there is removed at the end.
    keep
        Folder that a DICOMweb retrieval fills instead, and goes on filling when it is run again; the caller's.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when there is nothing, ARCHIVE_TOO_LARGE, ARCHIVE_DAMAGED, ARCHIVE_NOT_OPENED (7z, rar).
    ScratchError
        When the scratch folder cannot be written.
    DicomWebUnreachableError, DicomWebLoginError, DicomWebAddressError, DicomWebQueryError
        See `dicomweb.retrieve`.
    """

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(stage, done, total) if progress is not None else None

    if source.is_server:
        with _folder(scratch, keep) as folder:
            done = retrieve(
                Server(source.place, source.login),
                source.query,
                folder,
                params.dicomweb,
                progress=told("retrieve"),
            )
            yield OpenedSource(folder, refused=tuple(done.left), scratch=True)
        return
    path = Path(source.place)
    if not path.is_file():
        yield OpenedSource(path)  # a folder, or nothing: scanning says so
        return
    kind = archive_kind(path)
    if kind is None:
        yield OpenedSource(path.resolve().parent if is_dicomdir(path) else path)
    elif kind not in OPENED:
        raise refuse(Code.ARCHIVE_NOT_OPENED, f"{path}: {kind}")
    else:
        with scratch_folder(scratch) as folder:
            unpacked = unpack(path, kind, folder, params.archive, progress=told("unpack"))
            yield OpenedSource(folder, unpacked.names, tuple(unpacked.refused), scratch=True)


def read_login(path: Path) -> tuple[str, str] | str:
    """The login in a file of one line: `user:password`, or a bearer token.

    Raises
    ------
    LoginFileError
        When it cannot be read or is empty.
    """
    try:
        line = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise LoginFileError(
            f"{path}: cannot be read; one line is accepted: user:password, or a token"
        ) from error
    if not line or "\n" in line:
        raise LoginFileError(f"{path}: one line is accepted: user:password, or a token")
    user, colon, password = line.partition(":")
    return (user, password) if colon else line


@contextmanager
def _folder(scratch: Path, keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with scratch_folder(scratch) as folder:
            yield folder
    else:
        keep.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield keep
