"""Reading a NIfTI file as a volume: nibabel's RAS+ affine turned to DICOM LPS."""

from __future__ import annotations

from pathlib import Path

from components.ingest_dicom.volume import Volume


def read_nifti(path: Path) -> Volume:
    """A 3-D NIfTI in HU as a volume.

    Raises
    ------
    NiftiError
        When the file is missing, damaged, not 3-D, without a usable affine, or holds non-finite values.
    """
    raise NotImplementedError
