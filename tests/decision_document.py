"""A decision.json that is complete and in order."""

from __future__ import annotations

from typing import Any

RULES: dict[str, Any] = {
    "schema_version": 1,
    "data_kind": "simulated",
    "cutoffs": {"osteopenia_bmd_g_cm2": 0.95, "osteoporosis_bmd_g_cm2": 0.8, "impaired_tbs": 1.3},
    "flag_on": ["osteopenia"],
    "bmd_half_width_g_cm2": 0.1,
    "tbs_half_width": 0.08,
    "interval_coverage": 0.9,
    "reference": {
        "name": "Hologic female L1-L4",
        "peak_g_cm2": 1.047,
        "sd_g_cm2": 0.11,
        "osteopenia_t": -1.0,
        "osteoporosis_t": -2.5,
        "tbs_impaired_below": 1.31,
    },
    "geometry": {"pixels": 96, "size_mm": 64.0, "slices": 3, "slice_spacing_mm": 2.0, "centre_shift_mm": 6.0},
    "versions": {"data": "d", "code": "c", "params": "p", "model": "m"},
    "vendors": ["GE"],
    "kvp_minimum": 80.0,
    "kvp_maximum": 140.0,
    "minimum_age_years": 30.0,
    "z_score_under_years": 50.0,
    "minimum_levels": 2,
}
