"""A whole month of really simulated studies: +10 HU in each vendor in turn names it, an ordinary month nobody.

The served model's outputs are left out (they need a server; tests/integration has one): what is compared are the
image statistics and the acquisition, which name the scanner.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.detect_drift.traffic import Refused, TrafficPlan, stream
from models.refusal import Code
from monitoring.drift import judge

VENDORS = ("Canon", "GE", "Philips", "Siemens")


def month(plan: TrafficPlan) -> pd.DataFrame:
    rows = []
    for study in stream(plan, workers=2, cache=None):
        if isinstance(study, Refused):  # as in training: nobody is left out for another reason
            assert set(study.codes) <= {Code.SCOLIOSIS.value, Code.LEVELS_TOO_FEW.value}, study
            continue
        facts = {name: getattr(study, name) for name in ("study", "vendor", "kvp", "kernel_class")}
        geometry = {name: getattr(study, name) for name in ("slice_thickness_mm", "pixel_spacing_mm")}
        rows.append({**facts, **geometry, **study.statistics, "bmd_g_cm2": np.nan, "tbs": np.nan})
    assert len(rows) > 0.8 * len(plan.orders())  # the simulator curves or breaks some spines, not most
    return pd.DataFrame(rows)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_month_of_simulated_studies(simulate_params, prepare_params, monitor):
    def plan(count: int, seed: int, shift: dict[str, float]) -> TrafficPlan:
        return TrafficPlan(VENDORS, count, seed, simulate_params, prepare_params, shift)

    reference = month(plan(monitor.reference_per_vendor, monitor.reference_seed, {}))
    current = month(plan(monitor.current_per_vendor, monitor.current_seed, {}))
    everywhere = month(plan(monitor.current_per_vendor, monitor.current_seed, dict.fromkeys(VENDORS, 10.0)))
    assert judge(reference, current, monitor).named() == ()
    for vendor in VENDORS:
        one = pd.concat([current[current["vendor"] != vendor], everywhere[everywhere["vendor"] == vendor]])
        assert judge(reference, one, monitor).named() == (vendor,)
