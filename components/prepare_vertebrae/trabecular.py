"""Today's practice: mean HU of trabecular bone in the front of each body."""

from __future__ import annotations

import numpy as np

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import sample_hu
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import TrabecularRegion

SAMPLE_MM = 1.0


def trabecular_hu(volume: Volume, level: VertebraLevel, region: TrabecularRegion) -> float:
    """Mean HU of an elliptical cylinder between the endplates, in front of the basivertebral vein.

    The cylinder lies in the vertebra's own axes: its ellipse (lateral, anteroposterior half axes) is parallel
    to the endplates and its half height `craniocaudal_mm` keeps off them (Pickhardt 2013,
    doi 10.7326/0003-4819-158-8-201304160-00003, places such an ellipse by hand).
    """
    across = np.arange(-region.lateral_mm, region.lateral_mm + 1e-6, SAMPLE_MM)
    along = np.arange(-region.anteroposterior_mm, region.anteroposterior_mm + 1e-6, SAMPLE_MM)
    up = np.arange(-region.craniocaudal_mm, region.craniocaudal_mm + 1e-6, SAMPLE_MM)
    a, b, c = np.meshgrid(across, along, up, indexing="ij")
    inside = (a / region.lateral_mm) ** 2 + (b / region.anteroposterior_mm) ** 2 <= 1.0
    offsets = np.stack([a[inside], b[inside] - region.anterior_shift_mm, c[inside]], axis=-1)
    return float(sample_hu(volume, level.centre_lps_mm + offsets @ level.axes).mean())
