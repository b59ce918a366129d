"""A cohort's tables and level files without identities: DXA table, table of centres, label map."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
import zlib
from collections.abc import Collection
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from components.ingest_dicom.age import capped_age_years
from components.ingest_dicom.elements import VALUE_ERRORS
from components.ingest_dicom.nifti import BYTES_MAX
from components.ingest_dicom.pseudonym import Pseudonymiser
from models.bone_reference import device_family
from models.dxa_columns import DXA_COLUMNS, INVALID_COLUMNS, NUMBER_COLUMNS
from models.refusal import Code, refuse

CENTRES = ("level", "x_mm", "y_mm", "z_mm", "series_instance_uid")
LEVEL = re.compile(r"[CTLS]\d{1,2}", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# free text of the site; its scale is all that is used of it (`models/bone_reference.py`)
DEVICES = {"hologic": "Hologic", "lunar": "GE Lunar"}
# what stands for text that is none of the accepted: it stays wrong, and says nothing
WITHHELD = "withheld"


def dxa_table(text: str, pseudonymiser: Pseudonymiser) -> str:
    """dxa.csv with patients as in the de-identified DICOM, dates shifted alike, age 90 from 90 on.

    Raises
    ------
    RefusedError
        NOT_KEPT_IN_COPY: not a table with the columns of the template (a name may stand in any other).
    """
    rows = _rows(text, "the DXA table")
    if sorted(rows[0]) != sorted(DXA_COLUMNS):
        raise refuse(Code.NOT_KEPT_IN_COPY, "the DXA table has not the columns of the template")
    copied = []
    for cells in rows[1:]:
        values = dict(zip(rows[0], cells, strict=True))
        copied.append([_dxa_value(column, values, pseudonymiser) for column in rows[0]])
    return _csv([rows[0], *copied])


def _dxa_value(column: str, values: dict[str, str], pseudonymiser: Pseudonymiser) -> str:
    value, patient_id = values[column].strip(), values["patient_id"].strip()
    if not value:
        return ""
    if column == "patient_id":
        return pseudonymiser.new_patient_id(value)
    if column == "exam_date":
        return _shifted(value, patient_id, pseudonymiser)
    if column == "age_years" and NUMBER.fullmatch(value):
        years = float(value)
        return value if capped_age_years(years) == years else f"{capped_age_years(years):g}"
    if column == "device":
        return DEVICES.get(device_family(value) or "", WITHHELD)
    if column == "sex":
        return value if value in ("F", "M") else WITHHELD
    known = column in INVALID_COLUMNS or column in NUMBER_COLUMNS
    return value if known and NUMBER.fullmatch(value) else WITHHELD


def _shifted(value: str, patient_id: str, pseudonymiser: Pseudonymiser) -> str:
    try:
        day = pseudonymiser.shifted(date.fromisoformat(value), patient_id) if len(value) == 10 else None
    except ValueError:
        day = None
    return day.isoformat() if day else WITHHELD


def centre_table(text: str, pseudonymiser: Pseudonymiser, series_uids: Collection[str] = ()) -> str:
    """A table of body centres with its series' new UIDs; columns that are not of the layout are left out.

    Parameters
    ----------
    series_uids
        SeriesInstanceUIDs of de-identified series: they stay as they are.

    Raises
    ------
    RefusedError
        NOT_KEPT_IN_COPY: not a CSV table.
    """
    rows = _rows(text, "a table of centres")
    columns = [(place, name) for place, name in enumerate(rows[0]) if name in CENTRES]
    copied = [
        [
            cells[place] if cells[place] in series_uids else _centre_value(name, cells[place], pseudonymiser)
            for place, name in columns
        ]
        for cells in rows[1:]
    ]
    return _csv([[name for _, name in columns], *copied])


def _centre_value(column: str, value: str, pseudonymiser: Pseudonymiser) -> str:
    if not value:
        return ""
    if column == "series_instance_uid":
        return pseudonymiser.new_uid(value)
    fits = LEVEL.fullmatch(value.upper()) if column == "level" else NUMBER.fullmatch(value)
    return value if fits else WITHHELD


def copy_label_map(source: Path, target: Path) -> None:
    """A NIfTI label map with its voxels and affine; free text and extensions (often a DICOM header) are left out.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE: not NIfTI.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = nibabel.load(source)
            stored = image.dataobj
            if math.prod(stored.shape) * stored.dtype.itemsize > BYTES_MAX:
                raise ImageFileError(f"found shape {stored.shape}")
            voxels = np.asanyarray(stored)
            header = image.header
            copied = nibabel.Nifti1Image(voxels, None, dtype=voxels.dtype)
            copied.set_qform(header.get_qform() if header["qform_code"] else None, int(header["qform_code"]))
            copied.set_sform(header.get_sform() if header["sform_code"] else None, int(header["sform_code"]))
            copied.header.set_zooms(header.get_zooms())
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, *VALUE_ERRORS) as error:
        raise refuse(
            Code.LEVELS_UNREADABLE, f"a label map cannot be read ({type(error).__name__})"
        ) from error
    nibabel.save(copied, target)


def read_table(path: Path) -> str:
    """The text of a table.

    Raises
    ------
    RefusedError
        NOT_KEPT_IN_COPY: not in UTF-8; FILE_UNREADABLE.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(Code.NOT_KEPT_IN_COPY, "a table is not in UTF-8") from error
    except OSError as error:
        raise refuse(Code.FILE_UNREADABLE, f"cannot be read ({error.strerror})") from error


def _rows(text: str, what: str) -> list[list[str]]:
    try:
        lines = csv.reader(io.StringIO(text), strict=True)
        rows = [[cell.strip() for cell in cells] for cells in lines if any(cells)]
    except csv.Error as error:
        raise refuse(Code.NOT_KEPT_IN_COPY, f"{what} is no CSV table") from error
    if not rows or any(len(cells) != len(rows[0]) for cells in rows):
        raise refuse(Code.NOT_KEPT_IN_COPY, f"{what} has rows of unequal length, or none")
    return rows


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
