"""What is published about patients, and the band that the simulated phantoms are held to: one table.

A band says how far a cohort of 1,000 phantoms may lie from the published value; it was set from the publication
(its own spread, the difference between studies) before the phantoms were measured, and is not moved afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.simulate_cohort.nhanes import BMD_CELLS, TBS_CELLS, NhanesCell

# A DXA clinic sees people who were sent there: 0.08 g/cm2 (half an SD) below the population's means, both sexes.
# With NHANES's own SDs and 70 % women it makes 44 / 37 / 19 % of the published classes' 43 / 38 / 19 %.
CLINIC_BMD_SHIFT_G_CM2 = -0.08
CLINIC_TBS_SHIFT = -0.03  # what that shift of BMD takes along at r(TBS, BMD) 0.5: 0.5 x 0.5 SD x 0.135
OLDEST_DECADE = 80  # few people in NHANES and in a clinic: twice the tolerance
SEXES = {"F": "women", "M": "men"}

_BMD = "NHANES 2017-2020, CDC/NCHS"
_TBS = "NHANES 2007-2008, CDC/NCHS"
_SPEC = "cohort specification"
_JANG = "Jang 2019, Radiology 291:360 (20,374 adults)"


@dataclass(frozen=True)
class PublishedStatistic:
    """A statistic, what is published about it, and the band for 1,000 simulated phantoms.

    Attributes
    ----------
    name
        Key of `population_statistics.statistics`.
    low, high
        The band, ends included.
    """

    name: str
    words: str
    published: str
    source: str
    low: float
    high: float
    digits: int


def _cells(quantity: str, unit: str, cells: tuple[NhanesCell, ...]) -> Iterator[PublishedStatistic]:
    shift = CLINIC_BMD_SHIFT_G_CM2 if quantity == "bmd" else CLINIC_TBS_SHIFT
    tolerance = 0.04
    for cell in cells:
        if cell.decade < 40:
            continue  # hardly anybody in the cohort
        wide = 2.0 if cell.decade == OLDEST_DECADE else 1.0
        ages = "80 and older" if cell.decade == OLDEST_DECADE else f"{cell.decade}-{cell.decade + 9}"
        who = f"{SEXES[cell.sex]} {ages}"
        key = f"{quantity}_{SEXES[cell.sex]}_{cell.decade}"
        source = f"{_BMD if quantity == 'bmd' else _TBS} ({cell.people} people)"
        centre = cell.mean + shift
        yield PublishedStatistic(
            f"{key}_mean",
            f"{quantity.upper()}{unit}, {who}: mean",
            f"{cell.mean:.3f}, less a clinic's {-shift:.2f}",
            source,
            centre - wide * tolerance,
            centre + wide * tolerance,
            3,
        )
        spread = 0.25 * wide
        yield PublishedStatistic(
            f"{key}_sd",
            f"{quantity.upper()}{unit}, {who}: SD",
            f"{cell.sd:.3f}",
            source,
            cell.sd * (1 - spread),
            cell.sd * (1 + spread),
            3,
        )


P = PublishedStatistic
PUBLISHED: tuple[PublishedStatistic, ...] = (
    P("posterior_share_mean", "Posterior share of BMC, %: mean", "51.4", _SPEC, 49.4, 53.4, 1),
    P("posterior_share_sd", "Posterior share of BMC, %: SD", "4.2", _SPEC, 3.2, 5.2, 1),
    P("r_hu_bmd", "r of trabecular HU with BMD", "0.35-0.8, typically 0.6", _SPEC, 0.55, 0.70, 2),
    P("auc_hu_osteoporosis", "AUC of HU for osteoporosis", "0.64-0.9", _SPEC, 0.64, 0.90, 2),
    P("bmd_cv_percent", "BMD precision with repositioning, CV %", "1.0-1.9", _SPEC, 1.0, 1.9, 2),
    P("tbs_cv_percent", "TBS precision with repositioning, CV %", "1.4-1.9", _SPEC, 1.4, 1.9, 2),
    P("r_tbs_bmd", "r of TBS with BMD", "0.38-0.66", _SPEC, 0.38, 0.66, 2),
    P(
        "r_tbs_age",
        "r of TBS with age",
        "-0.31 from 35 years (women -0.40, men -0.22)",
        _TBS,
        -0.42,
        -0.20,
        2,
    ),
    P("r_tbs_bmi", "r of TBS with BMI", "negative", _SPEC, -0.45, -0.05, 2),
    P("normal_percent", "Normal (T above -1), %", "about 43", _SPEC, 37.0, 49.0, 0),
    P("osteopenia_percent", "Osteopenia, %", "about 38", _SPEC, 32.0, 44.0, 0),
    P("osteoporosis_percent", "Osteoporosis (T at or below -2.5), %", "about 19", _SPEC, 14.0, 24.0, 0),
    P(
        "bmd_women_70s_less_50s",
        "BMD, g/cm2, women 70-79 less women 50-59",
        "-0.049",
        _BMD,
        -0.12,
        -0.01,
        3,
    ),
    P("bmd_ratio_l2", "BMD of L2 over L1", "1.05", f"{_SPEC}; {_BMD}: 1.055", 1.02, 1.08, 2),
    P("bmd_ratio_l3", "BMD of L3 over L1", "1.09", f"{_SPEC}; {_BMD}: 1.093", 1.06, 1.12, 2),
    P("bmd_ratio_l4", "BMD of L4 over L1", "1.08", f"{_SPEC}; {_BMD}: 1.092", 1.05, 1.12, 2),
    P("area_women_cm2", "Area of L1-L4, cm2, women", "54.7", _BMD, 51.0, 59.0, 1),
    P("area_men_cm2", "Area of L1-L4, cm2, men", "66.3", _BMD, 62.0, 71.0, 1),
    P("hu_l1_per_year", "L1 HU per year of age", "-2.5", _JANG, -2.9, -2.1, 2),
    P("hu_l1_under_45", "L1 HU, under 45 years", "226 under 30, less 2.5 a year", _JANG, 168.0, 208.0, 0),
    P("hu_l1_55_64", "L1 HU, 55-64 years", "138, on the same line", _JANG, 124.0, 152.0, 0),
    P("hu_l1_over_70", "L1 HU, over 70 years", "about 110", _SPEC, 96.0, 122.0, 0),
    P("hu_l1_sd_55_64", "L1 HU, 55-64 years: SD", "44 under 30, 38 at 90", _JANG, 32.0, 50.0, 0),
    P("noise_hu_p05", "CT noise, HU, 5th percentile", "9", _SPEC, 7.0, 11.0, 1),
    P("noise_hu_p50", "CT noise, HU, median", "18", _SPEC, 15.0, 21.0, 1),
    P("noise_hu_p95", "CT noise, HU, 95th percentile", "44", _SPEC, 36.0, 52.0, 1),
    *_cells("bmd", ", g/cm2", BMD_CELLS),
    *_cells("tbs", "", TBS_CELLS),
)
