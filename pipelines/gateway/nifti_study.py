"""A NIfTI file as a row of the series table: what it shows is measured, what it cannot declare stays None."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.nifti import NiftiError, read_nifti
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.statistics import hu_statistics
from components.ingest_dicom.volume import Volume
from models.refusal import Code, refuse


def read_nifti_facts(path: Path) -> tuple[dict[str, object], Volume]:
    """Facts (columns of `CtSeries`, None where undeclared) and the volume.

    The slice axis is the one nearest to the patient's long axis; the file declares no slice thickness, so the
    caller uses the spacing and says so.

    Raises
    ------
    RefusedError
        PIXELS_UNREADABLE, when the file cannot be read.
    """
    try:
        volume = read_nifti(path)
    except NiftiError as error:
        raise refuse(Code.PIXELS_UNREADABLE, str(error)) from error
    spacing_mm = np.array(volume.spacing_mm)
    directions = np.abs(volume.affine[:3, :3] / spacing_mm)
    long_axis = int(np.argmax(directions[2]))
    others = [axis for axis in range(3) if axis != long_axis]
    cosine = min(1.0, float(directions[2, long_axis]))
    facts: dict[str, object] = {field.name: None for field in fields(CtSeries)}
    facts |= asdict(hu_statistics(volume.hu))
    facts |= {
        "orientation": "NIfTI axial",  # the affine says which way is which; the reader refuses a file without
        "orientation_consistent": True,
        "read_codes": " ",  # it was read; "" would count as not looked at in a source that cannot declare
        "truncated_count": 0,
        "unreadable_count": 0,
        "contrast_image_hu": aortic_lumen_hu(volume),
        "slice_spacing_mm": float(spacing_mm[long_axis]),
        "pixel_spacing_mm": float(spacing_mm[others].mean()),
        "rows": volume.shape[others[0]],
        "columns": volume.shape[others[1]],
        "slice_count": volume.shape[long_axis],
        "file_count": 1,
        "tilt_deg": float(np.degrees(np.arccos(cosine))),
        "has_levels": True,  # levels are judged apart
    }
    return facts, volume
