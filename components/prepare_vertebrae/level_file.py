"""Reading levels from whatever kind of file is given."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from components.ingest_dicom.elements import VALUE_ERRORS
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.headers import STREAM_ERRORS
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.centre_table import read_centre_table
from components.prepare_vertebrae.dicom_seg import read_dicom_seg
from components.prepare_vertebrae.label_map import read_label_map
from components.prepare_vertebrae.levels import Spine, VertebraLevel, spine_of
from components.prepare_vertebrae.params import LevelRules
from components.prepare_vertebrae.rtstruct import STRUCTURE_SET_STORAGE, read_rtstruct
from components.prepare_vertebrae.spine_labels import SpineLabels
from components.prepare_vertebrae.wanted_series import WantedSeries
from models.refusal import Code, refuse

# what pydicom and its decoders raise on an object that is damaged, when it is read or looked into
BROKEN = (
    OSError, EOFError, RuntimeError, MemoryError, SizeImplausibleError, InvalidDicomError, *VALUE_ERRORS, *STREAM_ERRORS
)  # fmt: skip
ACCEPTED = "a DICOM SEG or RTSTRUCT, a NIfTI label map (.nii, .nii.gz) with --level-scheme, or a CSV table of centres"


def read_levels(
    path: Path,
    rules: LevelRules,
    *,
    scheme: str | None = None,
    series_instance_uid: str | None = None,
) -> tuple[VertebraLevel, ...]:
    """Levels L1-L4 alone, as `read_spine` gives them."""
    wanted = WantedSeries(series_instance_uid or "")
    return read_spine(path, rules, scheme=scheme, wanted=wanted).levels


def read_spine(
    path: Path,
    rules: LevelRules,
    *,
    scheme: str | None = None,
    wanted: WantedSeries | None = None,
    volume: Volume | None = None,
) -> Spine:
    """Levels L1-L4 of a DICOM SEG or RTSTRUCT, a label map or a table of centres, told apart by the file itself.

    Parameters
    ----------
    scheme
        Numbering of a label map (`totalseg`, `totalseg_v1`, `totalseg_v3`, `verse`); never guessed; None where the
        file's name states it (`case.totalseg.nii.gz`).
    wanted
        The series that the levels are wanted for: a table may hold several, and a DICOM object may have been drawn
        in another frame of reference.
    volume
        The images, where they are at hand: a body that their end cuts is marked.

    Raises
    ------
    RefusedError
        With a LEVELS_... code, or VERTEBRA_CUT.
    """
    labels = _read_labels(path, scheme, wanted or WantedSeries())
    return spine_of(labels, rules, source=path.name, volume=volume)


def _read_labels(path: Path, scheme: str | None, wanted: WantedSeries) -> SpineLabels:
    if not path.is_file():
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: there is no such file; accepted: {ACCEPTED}")
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return read_label_map(path, scheme)
    if name.endswith(".csv"):
        return read_centre_table(path, wanted.series_instance_uid or None)
    if not _is_dicom(path):
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: of no known kind; accepted: {ACCEPTED}")
    dataset = read_level_object(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structures = dataset.get("SOPClassUID") == STRUCTURE_SET_STORAGE
            read = read_rtstruct if structures else read_dicom_seg
            return read(dataset, wanted, source=path.name)
    except BROKEN as error:  # sequences are parsed when they are looked into
        reason = " ".join(str(error).split())[:200]
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: it cannot be read ({reason})") from error


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_level_object(path: Path) -> Dataset:
    """A DICOM object with its pixels, if it has any.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE.
    """
    try:
        with open_guarded(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a value is judged where it is used
            return pydicom.dcmread(file)
    except BROKEN as error:
        raise refuse(
            Code.LEVELS_UNREADABLE, f"{path.name}: not a readable DICOM file ({type(error).__name__})"
        ) from error
