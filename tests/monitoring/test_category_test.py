"""The two-sample chi-square against scipy's exact test, and its false alarms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, chisquare

from monitoring.category_test import two_sample_chisquare


def series(**counts: int) -> pd.Series:
    return pd.Series([name for name, count in counts.items() for _ in range(count)])


def test_agrees_with_scipys_asymptotic_test_at_large_counts():
    reference, current = series(a=400, b=350, c=250), series(a=310, b=300, c=190)
    expected = chi2_contingency([[400, 350, 250], [310, 300, 190]])[1]
    assert two_sample_chisquare(reference, current) == pytest.approx(expected, abs=0.01)


def test_exact_by_hand_at_tiny_counts():
    # 3 of a against 3 of b: of the C(6, 3) = 20 ways to draw the current sample, 2 are as extreme
    assert two_sample_chisquare(series(a=3), series(b=3)) == pytest.approx(2 / 20, abs=0.01)


def test_one_category_on_both_sides_is_no_evidence():
    assert two_sample_chisquare(series(soft=40), series(soft=30)) == 1.0


def test_a_category_absent_from_the_reference_is_compared():
    assert two_sample_chisquare(series(a=40), series(z=30)) < 1e-4


def test_the_same_samples_give_the_same_p_value():
    reference, current = series(a=30, b=10), series(a=15, b=15)
    assert two_sample_chisquare(reference, current) == two_sample_chisquare(reference, current)


def test_no_values_is_refused():
    with pytest.raises(ValueError, match="without values"):
        two_sample_chisquare(series(a=3), pd.Series([None, None], dtype=object))


def test_false_alarms_stay_at_the_level_where_the_one_sample_test_exceeds_it(monkeypatch):
    monkeypatch.setattr("monitoring.category_test.PERMUTATIONS", 2000)
    rng = np.random.default_rng(5)
    ours = one_sample = 0
    for _ in range(300):
        before, after = (rng.choice(["a", "b"], size=n, p=[0.8, 0.2]) for n in (40, 40))
        ours += two_sample_chisquare(pd.Series(before), pd.Series(after)) <= 0.05
        counts = [np.array([(sample == name).sum() for name in ("a", "b")]) for sample in (before, after)]
        one_sample += chisquare(counts[1], counts[0])[1] <= 0.05
    assert ours / 300 <= 0.06
    assert one_sample / 300 > 0.1  # why Evidently's own chisquare is not used
