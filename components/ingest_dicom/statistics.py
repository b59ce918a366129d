"""Cheap HU statistics of a series, for plausibility and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HuStatistics:
    """HU of the air peak, of the soft-tissue peak, and percentiles of what lies inside the body."""

    hu_air_peak: float
    hu_soft_tissue_peak: float
    hu_p01: float
    hu_p05: float
    hu_p50: float
    hu_p95: float
    hu_p99: float


def hu_statistics(hu: NDArray[np.int16]) -> HuStatistics:
    """Statistics of (S, H, W) int16 HU."""
    raise NotImplementedError
