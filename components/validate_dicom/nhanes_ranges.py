"""Where DXA values of the United States' population lie, and how often a level of a scan is invalid.

Computed by `bmd_quantiles`, `tbs_quantiles` and `invalid_levels` from the public-use files (United States government
work), unweighted, as a range of measured values: NHANES 2017-March 2020 (P_DXXSPN; lumbar spine, Hologic, 50 years
and older, valid scans) and NHANES 2007-2008 (DXXSPN_E; total TBS, Hologic QDR-4500A), CDC/NCHS.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

QUANTILES = (0.001, 0.15, 0.5, 0.85, 0.999)
_BMD_FILE_COLUMNS = {
    "bmd_l1_g_cm2": "DXXL1BMD", "bmd_l2_g_cm2": "DXXL2BMD", "bmd_l3_g_cm2": "DXXL3BMD", "bmd_l4_g_cm2": "DXXL4BMD",
    "bmd_l1_l4_g_cm2": "DXXOSBMD",
}  # fmt: skip
_LEVEL_CODES = {
    "invalid_l1": "DXXL1BCC",
    "invalid_l2": "DXXL2BCC",
    "invalid_l3": "DXXL3BCC",
    "invalid_l4": "DXXL4BCC",
}
_SEX = {1: "M", 2: "F"}


@dataclass(frozen=True)
class NhanesQuantiles:
    """A column's values at `QUANTILES`, and of how many people of one sex (BMD in g/cm2, Hologic)."""

    column: str
    sex: str
    people: int
    values: tuple[float, ...]


BMD_QUANTILES = (
    NhanesQuantiles("bmd_l1_g_cm2", "M", 959, (0.580, 0.842, 0.998, 1.185, 1.683)),
    NhanesQuantiles("bmd_l2_g_cm2", "M", 960, (0.589, 0.896, 1.053, 1.240, 1.772)),
    NhanesQuantiles("bmd_l3_g_cm2", "M", 960, (0.666, 0.910, 1.090, 1.276, 1.886)),
    NhanesQuantiles("bmd_l4_g_cm2", "M", 960, (0.645, 0.907, 1.086, 1.296, 1.977)),
    NhanesQuantiles("bmd_l1_l4_g_cm2", "M", 960, (0.631, 0.894, 1.058, 1.245, 1.786)),
    NhanesQuantiles("bmd_l1_g_cm2", "F", 1161, (0.477, 0.743, 0.894, 1.063, 1.557)),
    NhanesQuantiles("bmd_l2_g_cm2", "F", 1161, (0.539, 0.786, 0.943, 1.121, 1.554)),
    NhanesQuantiles("bmd_l3_g_cm2", "F", 1161, (0.478, 0.824, 0.984, 1.164, 1.623)),
    NhanesQuantiles("bmd_l4_g_cm2", "F", 1161, (0.483, 0.813, 0.977, 1.166, 1.813)),
    NhanesQuantiles("bmd_l1_l4_g_cm2", "F", 1161, (0.489, 0.800, 0.948, 1.123, 1.595)),
)
TBS_QUANTILES = (  # 50 years and older
    NhanesQuantiles("tbs_l1_l4", "M", 1178, (0.809, 1.154, 1.317, 1.440, 1.645)),
    NhanesQuantiles("tbs_l1_l4", "F", 1200, (0.772, 1.144, 1.293, 1.417, 1.606)),
)
SCANNED = 3913  # DXASPNST 1 or 2: the spine was scanned
INVALID = {"invalid_l1": 341, "invalid_l2": 767, "invalid_l3": 851, "invalid_l4": 1127}  # levels with a code


def plausible_range(column: str) -> tuple[float, float]:
    """From the lower sex's 0.1 % to the higher sex's 99.9 % quantile."""
    return _ends(column, 0, -1)


def middle_range(column: str) -> tuple[float, float]:
    """From the lower sex's 15 % to the higher sex's 85 %: one SD about the population's middle, either sex."""
    return _ends(column, 1, -2)


def _ends(column: str, low: int, high: int) -> tuple[float, float]:
    cells = [cell for cell in (*BMD_QUANTILES, *TBS_QUANTILES) if cell.column == column]
    return min(cell.values[low] for cell in cells), max(cell.values[high] for cell in cells)


def bmd_quantiles(table: pd.DataFrame) -> tuple[NhanesQuantiles, ...]:
    """From the merged table of NHANES 2017-March 2020: valid scans (DXASPNST 1), values above 0."""
    valid = table[table["DXASPNST"] == 1]
    return tuple(
        _cell(column, sex, valid.loc[valid["RIAGENDR"] == number, source])
        for number, sex in _SEX.items()
        for column, source in _BMD_FILE_COLUMNS.items()
    )


def tbs_quantiles(table: pd.DataFrame) -> tuple[NhanesQuantiles, ...]:
    """From the table of NHANES 2007-2008: people of 50 years and older."""
    old = table[table["RIDAGEYR"] >= 50]
    return tuple(
        _cell("tbs_l1_l4", sex, old.loc[old["RIAGENDR"] == number, "DXXTOTBS"])
        for number, sex in _SEX.items()
    )


def invalid_levels(table: pd.DataFrame) -> tuple[int, dict[str, int]]:
    """People whose spine was scanned, and those with an invalidity code by level."""
    scanned = table[table["DXASPNST"].isin([1, 2])]
    return len(scanned), {name: int((scanned[code] > 0).sum()) for name, code in _LEVEL_CODES.items()}


def _cell(column: str, sex: str, values: pd.Series) -> NhanesQuantiles:
    known = values[values > 0]
    return NhanesQuantiles(
        column, sex, len(known), tuple(round(float(known.quantile(share)), 3) for share in QUANTILES)
    )
