"""Stored values to HU, in whole numbers where the header's are whole: the same HU in half the time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.volume import AIR_HU

# Padding may be any number; one that would be tissue in HU is not believed, so that no tissue is wiped out.
PADDING_HU_MAX = -900
HU_MAX = np.iinfo(np.int16).max
# 16-bit values times and plus these stay within 32 bits
WHOLE_SLOPE_MAX, WHOLE_INTERCEPT_MAX = 2**12, 2**28


def to_hu(
    stored: NDArray[np.integer[Any]], slope: float, intercept: float, padding: tuple[float, float] | None
) -> NDArray[np.int16]:
    """HU = stored * slope + intercept (DICOM PS3.3 C.11.1.1.2), rounded, never below -1024.

    Parameters
    ----------
    stored
        (H, W), any integer type.
    padding
        Range of stored values that are no tissue, in either order; None when the image has none.

    Returns
    -------
    (H, W) int16 HU, the same whether reckoned in whole numbers or in float64.
    """
    hu = _whole(stored, slope, intercept)
    if hu is None:
        reckoned = np.multiply(stored, slope, dtype=np.float64)
        reckoned += intercept
        hu = np.rint(reckoned, out=reckoned)
    if padding is not None:
        low, high = sorted(padding)
        if high * slope + intercept <= PADDING_HU_MAX:
            hu[(stored >= math.ceil(low)) & (stored <= math.floor(high))] = AIR_HU
    return np.clip(hu, AIR_HU, HU_MAX, out=hu).astype(np.int16)


def _whole(stored: NDArray[np.integer[Any]], slope: float, intercept: float) -> NDArray[Any] | None:
    """(H, W) int32, or None where 32 bits or whole numbers do not do."""
    small = (
        stored.dtype.itemsize <= 2 and abs(slope) <= WHOLE_SLOPE_MAX and abs(intercept) <= WHOLE_INTERCEPT_MAX
    )
    if not small or not (float(slope).is_integer() and float(intercept).is_integer()):
        return None
    hu = stored.astype(np.int32)
    if slope != 1:
        hu *= int(slope)
    hu += int(intercept)
    return hu
