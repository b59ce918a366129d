"""HU sanity on the real patient that is accepted: as it is, and with its scale broken as headers break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.volume import Volume
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from models.refusal import Code

pytestmark = pytest.mark.real_ct
PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def test_a_real_series_with_another_intercept_or_slope_is_not_hu(real_data: Callable[[str], Path]) -> None:
    params = load_section(PARAMS, "validate", ValidateParams)
    files = scan_folder(real_data("ge_discovery_ls_lumbar") / "dicom").series[0]
    plain = read_volume(files)

    def codes(slope: float, shift_hu: float) -> list[Code]:
        hu = np.clip(np.rint(slope * plain.hu.astype(np.float64) + shift_hu), -1024, 32767).astype(np.int16)
        volume = Volume(hu, plain.affine)
        row = inspect_series(
            files, Pseudonymiser(SIMULATED_KEY), IngestParams(), volume=volume, has_levels=True
        )
        return [item.code for item in check_series(pd.DataFrame([asdict(row)]), params).refusals]

    assert codes(1.0, 0.0) == []
    for slope, shift_hu in ((1, 100), (1, -100), (1, 1024), (1, 1000), (2, 1024), (2, 0), (0.5, -512)):
        assert Code.HU_IMPLAUSIBLE in codes(slope, shift_hu), (slope, shift_hu)
