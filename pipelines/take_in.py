"""Taking the CT series of a source into a cohort folder: each image once, everything else counted with its code."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from components.ingest_dicom.level_files import find_level_file
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import ScanResult, SeriesFiles
from components.ingest_dicom.source import Source, StageProgress, open_source
from models.alone_in import alone_in
from models.errors import OsteoGateError
from models.refusal import MEANINGS, Code, RefusedError
from models.write_failure import unwritten
from pipelines.cohort_identity import declare_deidentified, refuse_deidentified
from pipelines.intake_copy import AsTheyAre, Copier, WithoutPatients
from pipelines.intake_plan import WantedFile, wanted_files
from pipelines.intake_record import record_of

RETRIEVED = "retrieved"  # of the home: what a DICOMweb server sent, as it sent it
log = structlog.get_logger()


class TakeInError(OsteoGateError):
    """The cohort folder cannot be written."""


@dataclass
class TakenIn:
    """What became of the files of a source: `files == copied + already_there + sum(left)`.

    Attributes
    ----------
    series
        CT series of which a file was copied or was there already.
    deidentified
        Whether the copies name nobody.
    left
        Code to number of files that were not copied.
    without_levels
        Of these, how many came without a level object and have no file in the cohort's levels/ either.
    """

    files: int
    series: int = 0
    deidentified: bool = False
    copied: int = 0
    already_there: int = 0
    left: Counter[str] = field(default_factory=Counter)
    without_levels: int = 0

    def as_dict(self) -> dict[str, object]:
        """For a program."""
        return {
            "files": self.files,
            "series": self.series,
            "deidentified": self.deidentified,
            "copied": self.copied,
            "already_there": self.already_there,
            "left": dict(sorted(self.left.items())),
            "without_levels": self.without_levels,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"files: {self.files}, in {self.series} CT series and beside them"
        yield f"copied: {self.copied} ({'de-identified' if self.deidentified else 'as they are, patients included'})"
        yield f"there already: {self.already_there}"
        yield f"left: {self.left.total()}"
        for code, count in sorted(self.left.items()):
            yield f"  {code}: {count}"
        if self.without_levels:
            yield (
                f"{self.without_levels} of {self.series} series came without levels and will be "
                f"{Code.LEVELS_MISSING}: {MEANINGS[Code.LEVELS_MISSING].action}"
            )


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

    Of a source in the layout of a cohort (docs/own-cohort.md) the exams and level files come along. By default
    everything is de-identified on its way (`params.deidentify`), so that no byte of the cohort names a patient; whose
    each pseudonym is stays in the site's intake folder. Each copy is written beside and renamed in.

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
    CohortIdentityError
        The cohort holds originals and copies without patients are to be added, or the other way round.
    RefusedError, OsteoGateError
        As `open_source` and `scan_folder`.
    """
    keep = home / RETRIEVED / _asked(source, cohort, pseudonymiser)
    with (
        alone_in(cohort),
        open_source(source, scratch=home / "scratch", params=params, keep=keep, progress=progress) as opened,
    ):
        if params.deidentify:
            declare_deidentified(cohort, pseudonymiser)
        else:
            refuse_deidentified(cohort)
        found = opened.scan(
            workers=params.workers, progress=lambda done, total: progress("headers", done, total)
        )
        wanted, left = wanted_files(found, opened)
        copier: Copier = (
            WithoutPatients(cohort, pseudonymiser, record_of(home, cohort, pseudonymiser))
            if params.deidentify
            else AsTheyAre(cohort, pseudonymiser, scratch=opened.scratch)
        )
        taken = TakenIn(found.file_count, deidentified=params.deidentify)
        taken.left.update(other.code.value for other in left)
        try:
            series = _copy_all(wanted, copier, taken, progress)
        except OSError as error:
            raise TakeInError(f"{cohort}: a copy is not written {unwritten(error)}") from error
        came = [one for one in found.series if one.identity in series]
        taken.series = len(came)
        taken.without_levels = sum(not _has_levels(one, found, cohort, copier) for one in came)
    shutil.rmtree(keep, ignore_errors=True)
    log.info("taken in", **{key: value for key, value in taken.as_dict().items() if key != "left"})
    return taken


def _copy_all(wanted: list[WantedFile], copier: Copier, taken: TakenIn, progress: StageProgress) -> set[str]:
    """The series of which an image was copied or was there already."""
    copier.begin(wanted)
    series = set()
    for done, one in enumerate(wanted, start=1):
        try:
            if copier.copy(one):
                taken.copied += 1
            else:
                taken.already_there += 1
            if one.is_image:
                series.add(one.series)
        except RefusedError as error:
            taken.left[error.codes[0].value] += 1
        progress("copy", done, len(wanted))
    return series


def _has_levels(series: SeriesFiles, found: ScanResult, cohort: Path, copier: Copier) -> bool:
    names = copier.names(series.files[0].patient_id, series.series_instance_uid)
    return bool(found.level_objects(series)) or find_level_file(cohort, *names) is not None


def _asked(source: Source, cohort: Path, pseudonymiser: Pseudonymiser) -> str:
    """A keyed name for what is asked of a server, which may be a PatientID: asked again, it goes on where it was."""
    facts = [str(cohort.resolve()), source.place]
    facts += [f"{key}={value}" for key, value in sorted(source.query.items())]
    return pseudonymiser.uid("\n".join(facts))
