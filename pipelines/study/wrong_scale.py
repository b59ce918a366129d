"""Values that are not HU, made from a phantom's own: which of them the intake refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.statistics import hu_statistics, sample_indices
from components.ingest_dicom.volume import AIR_HU, Volume
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.refusal import Code

# HU int32 as they are to what a reader would have; stored values are HU + 1024, as most vendors write them
WRONG_SCALES: dict[str, Callable[[NDArray[np.int32]], NDArray[np.int32]]] = {
    "values 100 HU too high": lambda hu: hu + 100,
    "values 100 HU too low": lambda hu: hu - 100,
    "rescale intercept forgotten": lambda hu: hu - AIR_HU,
    "rescale slope doubled": lambda hu: 2 * (hu - AIR_HU) + AIR_HU,
}
LARGEST_HU = 32767  # that the reader's int16 holds


def refused_scales(
    volume: Volume, row: CtSeries, params: ValidateParams, *, statistics_slices: int
) -> dict[str, bool]:
    """By name in `WRONG_SCALES`: whether the series is HU_IMPLAUSIBLE when its values are so changed."""
    slices = volume.hu[sample_indices(volume.shape[0], statistics_slices)].astype(np.int32)
    refused = {}
    for name, change in WRONG_SCALES.items():
        hu = change(slices).clip(AIR_HU, LARGEST_HU).astype(np.int16)
        changed = pd.DataFrame([asdict(replace(row, **asdict(hu_statistics(hu))))])
        codes = {refusal.code for refusal in check_series(changed, params).refusals}
        refused[name] = Code.HU_IMPLAUSIBLE in codes
    return refused
