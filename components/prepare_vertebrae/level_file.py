"""Reading levels from whatever kind of file is given."""

from __future__ import annotations

from pathlib import Path

from components.prepare_vertebrae.centre_table import read_centre_table
from components.prepare_vertebrae.dicom_seg import read_dicom_seg
from components.prepare_vertebrae.label_map import read_label_map
from components.prepare_vertebrae.levels import Centres, VertebraLevel, spine_levels
from components.prepare_vertebrae.params import LevelRules
from models.refusal import Code, refuse

ACCEPTED = "a DICOM SEG, a NIfTI label map (.nii, .nii.gz) with --level-scheme, or a CSV table of centres"


def read_levels(
    path: Path, rules: LevelRules, *, scheme: str | None = None, series_instance_uid: str | None = None
) -> tuple[VertebraLevel, ...]:
    """Levels L1-L4 of a DICOM SEG, a NIfTI label map or a table of centres, told apart by the file itself.

    Parameters
    ----------
    scheme
        Numbering of a label map (`totalseg`, `verse`); never guessed.
    series_instance_uid
        The series that the levels are wanted for; a table may hold several.

    Raises
    ------
    RefusedError
        With a LEVELS_... code.
    """
    return spine_levels(_read_centres(path, scheme, series_instance_uid), rules, source=path.name)


def _read_centres(path: Path, scheme: str | None, series_instance_uid: str | None) -> Centres:
    if not path.is_file():
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: there is no such file; accepted: {ACCEPTED}")
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return read_label_map(path, scheme)
    if name.endswith(".csv"):
        return read_centre_table(path, series_instance_uid)
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM":
        return read_dicom_seg(path)
    raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: of no known kind; accepted: {ACCEPTED}")
