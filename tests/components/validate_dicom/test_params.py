"""Wrong limits are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from components.validate_dicom.params import ValidateParams
from models.errors import ParameterError
from models.params import parse_section


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kvp_min": 150}, "kvp_min must be below kvp_max"),
        ({"tilt_policy": "ignore"}, "validate.tilt_policy"),
        ({"tilt_max_deg": 40}, "tilt_max_deg must be below tilt_resampled_max_deg"),
        ({"dxa_days_max": -1}, "validate.dxa_days_max: found -1"),
        ({"vendors_validated": ["Acme"]}, "vendors_known does not"),
        ({"kvp": 120}, "validate.kvp: unknown key"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], words: str, params: ValidateParams) -> None:
    with pytest.raises(ParameterError, match=words):
        parse_section("validate", {**params.model_dump(), **changes}, ValidateParams)
