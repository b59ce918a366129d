"""Level files a site lays beside its series: `levels/<PatientID or SeriesInstanceUID>.csv` or `.nii.gz`."""

from __future__ import annotations

from pathlib import Path

NAME_BYTES_MAX = 240  # a file name has at most 255; a DICOM identifier at most 64 characters
# a label map may state its numbering in its name: <id>.totalseg.nii.gz
SUFFIXES = (
    ".csv", ".nii.gz", ".nii", ".totalseg.nii.gz", ".totalseg_v1.nii.gz", ".totalseg_v3.nii.gz", ".verse.nii.gz",
    ".dcm",
)  # fmt: skip


def find_level_file(data: Path, patient_id: str, series_instance_uid: str) -> Path | None:
    """The level file of a series: one named after its UID wins over one named after its patient.

    An identifier that would leave the folder (with a slash in it, or `..`) or is too long names no file.
    """
    folder = data / "levels"
    if not folder.is_dir():
        return None
    for name in (series_instance_uid, patient_id):
        if not name or "/" in name or "\\" in name or name.startswith("."):
            continue
        if len(name.encode(errors="replace")) > NAME_BYTES_MAX:
            continue
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    return None
