"""How often an ordinary month names a vendor, and how often +10 HU is missed, over many months.

With scipy's two-sample Kolmogorov-Smirnov, which is what Evidently's 'ks' is, for speed; the categories and the
reports themselves are tested elsewhere.
"""

from __future__ import annotations

from scipy.stats import ks_2samp

from monitoring.features import FEATURES, Group, Kind

NUMBERS = [feature.name for feature in FEATURES if feature.kind is Kind.NUMBER]
IMAGE = [feature.name for feature in FEATURES if feature.group is Group.IMAGE]
THRESHOLD = 0.01 / 40


def moved(reference, current, vendor, names):
    before, after = (frame[frame["vendor"] == vendor] for frame in (reference, current))
    return any(ks_2samp(before[name], after[name]).pvalue <= THRESHOLD for name in names)


def test_fewer_than_one_ordinary_month_in_a_hundred_names_a_vendor(month):
    vendors = ("Canon", "GE", "Philips", "Siemens")
    alarms = sum(
        moved(reference, current, vendor, NUMBERS)
        for seed in range(100)
        for reference, current in [(month(1000 + seed, 40), month(5000 + seed, 24))]
        for vendor in vendors
    )
    assert alarms / 400 < 0.01


def test_more_than_ninety_nine_in_a_hundred_shifts_of_ten_hu_are_found(month):
    shift = {"GE": 10.0}
    found = sum(
        moved(
            month(1000 + seed, 40, vendors=("GE",)),
            month(5000 + seed, 24, shift, vendors=("GE",)),
            "GE",
            IMAGE,
        )
        for seed in range(200)
    )
    assert found / 200 > 0.99
