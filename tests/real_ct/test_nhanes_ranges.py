"""The quantiles kept with the code are those of the public-use files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.simulate_cohort.nhanes import BMD_ARCHIVE, BMD_FILE, TBS_ARCHIVE, TBS_FILE
from components.validate_dicom import nhanes_ranges

pytestmark = pytest.mark.real_ct


def test_quantiles_and_invalid_levels_are_recomputed(real_data: Callable[[str], Path]) -> None:
    bmd = pd.read_csv(real_data(BMD_ARCHIVE) / BMD_FILE)
    assert nhanes_ranges.bmd_quantiles(bmd) == nhanes_ranges.BMD_QUANTILES
    assert nhanes_ranges.invalid_levels(bmd) == (nhanes_ranges.SCANNED, nhanes_ranges.INVALID)
    tbs = pd.read_csv(real_data(TBS_ARCHIVE) / TBS_FILE)
    assert nhanes_ranges.tbs_quantiles(tbs) == nhanes_ranges.TBS_QUANTILES
