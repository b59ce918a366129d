"""A folder of DICOM, or a whole cohort, to a de-identified copy of it: atomic, resumable, every file accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
import structlog

from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.deidentify.journal import FILE_NAME, Entry, Journal
from components.ingest_dicom.deidentify.level_names import new_level_name
from components.ingest_dicom.deidentify.plan import CARD, DXA, LEVELS, SERIES, Kind, SourceFile, plan
from components.ingest_dicom.deidentify.profile import EDITION
from components.ingest_dicom.deidentify.statement import PROFILE_AND_OPTIONS
from components.ingest_dicom.deidentify.tables import centre_table, copy_label_map, dxa_table, read_table
from components.ingest_dicom.elements import text
from components.ingest_dicom.pseudonym import DATE_SHIFT_DAYS_MAX, Pseudonymiser
from models.alone_in import alone_in
from models.errors import OsteoGateError, ParameterError
from models.refusal import Code, RefusedError, refuse
from models.write_failure import unwritten

MANIFEST = "deidentified.json"
SCHEMA_VERSION = 1
Progress = Callable[[int, int], None]
log = structlog.get_logger()


class CopyTargetError(ParameterError):
    """The folder for the copy is there already, or lies inside the source."""


class CopyWriteError(OsteoGateError):
    """The copy could not be written; what is copied stays, and the same command goes on."""


@dataclass(frozen=True)
class CopySummary:
    """Counts of one copy; `files_read` is the sum of the copied and the refused.

    Attributes
    ----------
    refused_by_code
        Files without a copy.
    resumed
        Of the files, those that an interrupted run had dealt with.
    """

    files_read: int
    dicom_copied: int
    tables_copied: int
    files_refused: int
    refused_by_code: dict[str, int]
    patients: int
    series: int
    resumed: int


def deidentify_folder(
    source: Path,
    out: Path,
    pseudonymiser: Pseudonymiser,
    *,
    identity: Path | None = None,
    progress: Progress | None = None,
) -> CopySummary:
    """Copy `source` to `out` without identities; `out` appears when all is done.

    Parameters
    ----------
    source
        A cohort folder (series/, levels/, dxa.csv), any folder of DICOM, or one file.
    out
        A new folder: `series/<series>/<file>.dcm` under keyed hashes, and `deidentified.json` with the counts and
        with every refused file by its hash. An unfinished copy stays in `.<out>.partial` beside it.
    identity
        File for the list that says which file of the source each hash is; it names files, so it must stay at the site.

    Raises
    ------
    RefusedError
        EMPTY_INPUT, FILE_UNREADABLE: there is nothing to copy.
    CopyTargetError, CopyWriteError, OtherWorkError, FolderBusyError
        Each says what to do.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CopyTargetError(f"{out}: exists and is not an empty folder; name a new one")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise CopyTargetError(f"{out}: lies inside the source; name a folder outside of it")
    files = plan(source)
    work = out.with_name(f".{out.name}.partial")
    begun = f"{pseudonymiser.key_id} {pseudonymiser.uid(str(source.resolve()))}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with alone_in(work):
            return _copy_all(files, work, out, pseudonymiser, begun, identity, progress)
    except OSError as error:
        raise CopyWriteError(f"{work}: copy not written {unwritten(error)} to go on") from error


def _copy_all(
    files: list[SourceFile],
    work: Path,
    out: Path,
    pseudonymiser: Pseudonymiser,
    begun: str,
    identity: Path | None,
    progress: Progress | None,
) -> CopySummary:
    journal = Journal(work, begun)
    hashes = {file.name: pseudonymiser.uid(file.name) for file in files}
    resumed, series_uids = 0, set[str]()
    # level files last: what they are called after is known when the images are copied
    ordered = sorted(files, key=lambda file: file.of_levels)
    for done, file in enumerate(ordered, start=1):
        known = journal.entries.get(hashes[file.name])
        if (
            known is not None
            and known.stamp == file.stamp
            and (not known.out or (work / known.out).is_file())
        ):
            resumed += 1
        else:
            entry = Entry(hashes[file.name], file.stamp, file.kind.value)
            journal.add(_copied(file, entry, work, pseudonymiser, series_uids))
        series_uids.add(journal.entries[hashes[file.name]].series)
        if progress is not None:
            progress(done, len(files))
    journal.close()
    # what an interrupted run had copied of files that are gone since is no part of this source any more
    entries = [journal.entries[hashes[file.name]] for file in files]
    _remove_strays(work, {entry.out for entry in entries})
    summary = _summary(entries, resumed)
    _write_manifest(work / MANIFEST, summary, entries, pseudonymiser)
    if identity is not None:
        _write_identity(identity, files, journal, hashes)
    (work / FILE_NAME).unlink()
    if out.exists():
        out.rmdir()
    work.rename(out)
    log.info("de-identified", files=summary.files_read, refused=summary.files_refused)
    return summary


def _copied(
    file: SourceFile, entry: Entry, work: Path, pseudonymiser: Pseudonymiser, series_uids: set[str]
) -> Entry:
    try:
        if file.kind is Kind.DICOM:
            return _copied_dicom(file, entry, work, pseudonymiser, series_uids)
        if file.kind is Kind.LEFT:
            raise refuse(Code.NOT_KEPT_IN_COPY, "not a file of the cohort's layout")
        relative = _table_name(file, pseudonymiser, series_uids)
        target = work / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".partial.{target.name}")  # the suffix says how NIfTI is packed
        if file.kind is Kind.LABEL_MAP:
            copy_label_map(file.path, partial)
        else:
            partial.write_text(_table(file, pseudonymiser, series_uids), encoding="utf-8")
        partial.replace(target)
        return replace(entry, out=relative)
    except RefusedError as error:
        refusal = error.refusals[0]
        return replace(entry, code=refusal.code.value, found=refusal.found)


def _copied_dicom(
    file: SourceFile, entry: Entry, work: Path, pseudonymiser: Pseudonymiser, series_uids: set[str]
) -> Entry:
    beside = work / f"{entry.file}.dcm"
    deidentify_file(file.path, beside, pseudonymiser)
    header = pydicom.dcmread(
        beside, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "PatientID", "Modality"]
    )
    series = text(header, "SeriesInstanceUID")
    relative = f"{SERIES}/{pseudonymiser.uid(series) or 'no-series'}/{entry.file}.dcm"
    if file.of_levels:  # the one to use where a series has several: its name says so
        relative = _table_name(file, pseudonymiser, series_uids)
    (work / relative).parent.mkdir(parents=True, exist_ok=True)
    beside.replace(work / relative)
    return replace(entry, out=relative, patient=text(header, "PatientID"), series=series)


def _table_name(file: SourceFile, pseudonymiser: Pseudonymiser, series_uids: set[str]) -> str:
    """Where a table goes; level files are called after the new PatientID or the new SeriesInstanceUID."""
    if file.kind in (Kind.DXA, Kind.CARD):
        return DXA if file.kind is Kind.DXA else CARD
    return f"{LEVELS}/{new_level_name(Path(file.name).name, pseudonymiser, series_uids)}"


def _table(file: SourceFile, pseudonymiser: Pseudonymiser, series_uids: set[str]) -> str:
    content = read_table(file.path)
    if file.kind is Kind.DXA:
        return dxa_table(content, pseudonymiser)
    if file.kind is Kind.CENTRES:
        return centre_table(content, pseudonymiser, series_uids)
    try:
        card = json.loads(content)
        kept = {"schema_version": int(card["schema_version"]), "kind": str(card["kind"])}
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(Code.NOT_KEPT_IN_COPY, f"{CARD} is no cohort card") from error
    return json.dumps({**kept, "deidentified_with_key": pseudonymiser.key_id}, indent=2)


def _remove_strays(work: Path, kept: set[str]) -> None:
    for path in work.rglob("*"):
        if path.is_file() and path.name != FILE_NAME and path.relative_to(work).as_posix() not in kept:
            path.unlink()


def _summary(entries: list[Entry], resumed: int) -> CopySummary:
    refused = [entry for entry in entries if entry.code]
    dicom = [entry for entry in entries if entry.out and entry.kind == Kind.DICOM]
    return CopySummary(
        files_read=len(entries),
        dicom_copied=len(dicom),
        tables_copied=len(entries) - len(refused) - len(dicom),
        files_refused=len(refused),
        refused_by_code=dict(sorted(Counter(entry.code for entry in refused).items())),
        patients=len({entry.patient for entry in dicom if entry.patient}),
        series=len({entry.series for entry in dicom}),
        resumed=resumed,
    )


def _write_manifest(
    path: Path, summary: CopySummary, entries: list[Entry], pseudonymiser: Pseudonymiser
) -> None:
    document = {
        "schema_version": SCHEMA_VERSION,
        "profile": f"DICOM PS3.15 table E.1-1, edition {EDITION}",
        "options": [f"{code.value} {code.meaning}" for code in PROFILE_AND_OPTIONS],
        "dates": f"shifted by whole days, one number a patient, 1 to {DATE_SHIFT_DAYS_MAX} into the past",
        "key_id": pseudonymiser.key_id,
        "key_version": pseudonymiser.version,
        "counts": {name: value for name, value in vars(summary).items() if name != "resumed"},
        "refused": [
            {"file": entry.file, "code": entry.code, "found": entry.found} for entry in entries if entry.code
        ],
    }
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")


def _write_identity(path: Path, files: list[SourceFile], journal: Journal, hashes: dict[str, str]) -> None:
    """Which file each hash is; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    listed = [
        {"file": hashes[file.name], "source": file.name, "code": journal.entries[hashes[file.name]].code}
        for file in files
    ]
    partial.write_text(json.dumps(listed, indent=1), encoding="utf-8")
    partial.replace(path)
