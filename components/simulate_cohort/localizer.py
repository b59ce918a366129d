"""A scout view of the field, as its own series beside the axial one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from components.simulate_cohort.ct import CtImage
from components.simulate_cohort.dicom_series import SeriesHeader, decimal, series_datasets
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.projection import PixelGrid, project
from components.simulate_cohort.scanner import Acquisition

PIXEL_MM = 0.75
BLUR_MM = 0.8


def localizer_dataset(
    field: MineralField, patient: Patient, header: SeriesHeader, acquisition: Acquisition
) -> Dataset:
    """A coronal projection as an ImageType LOCALIZER CT image."""
    low, high = field.stack.z_range_mm
    x = np.arange(-90.0, 90.0, PIXEL_MM)
    z = np.arange(low, high, PIXEL_MM)
    image = project((*field.of("body"), *field.of("posterior")), PixelGrid(x, z, 0.0, BLUR_MM))
    hu = np.clip(np.rint(image[::-1] * 300.0 - 150.0), -1024, 3071).astype(np.int16)
    offset = np.array(acquisition.isocentre_mm)
    affine = np.eye(4)
    affine[:3, 0] = (0.0, 1.0, 0.0)
    affine[:3, 1] = (0.0, 0.0, -PIXEL_MM)
    affine[:3, 2] = (PIXEL_MM, 0.0, 0.0)
    affine[:3, 3] = np.array([x[0], 0.0, z[-1]]) + offset
    scout = CtImage(hu[None], affine, np.zeros((1, *hu.shape), dtype=np.uint8), offset)
    scout_header = replace(
        header,
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        description="SCOUT",
        series_number=1,
        name="scout",
    )
    dataset = series_datasets(patient, scout_header, replace(acquisition, pixel_spacing_mm=PIXEL_MM), scout)[
        0
    ]
    del dataset.SpacingBetweenSlices
    dataset.SliceThickness = decimal(400.0)
    return dataset
