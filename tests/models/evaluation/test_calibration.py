"""Cut-offs and interval widths frozen on calibration patients."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.calibration import CalibrationError, freeze_cutoff
from models.evaluation.conformal import conformal_half_width
from models.evaluation.settings import CutoffRule

YOUDEN = CutoffRule(method="youden")


def _freeze(
    positive: list[int], predicted: list[float], rule: CutoffRule = YOUDEN, minimum: int = 1
) -> float:
    return freeze_cutoff(
        np.array(positive, bool), np.array(predicted), rule, reference_cut=0.772, minimum_class=minimum
    ).value


def test_youden_by_hand() -> None:
    # Cut 0.75: 2 of 3 found, 3 of 3 spared, J = 0.67. Cut 0.95: 3 of 3 and 2 of 3, J = 0.67 too.
    # Of equals the one that misses fewest is taken.
    assert _freeze([1, 1, 0, 1, 0, 0], [0.6, 0.7, 0.8, 0.9, 1.0, 1.1]) == pytest.approx(0.95)
    assert _freeze([1, 1, 0, 0], [0.6, 0.7, 0.8, 0.9]) == pytest.approx(0.75)


def test_least_cutoff_of_a_sensitivity() -> None:
    predicted, positive = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [1, 1, 0, 1, 1, 0]
    assert _freeze(positive, predicted, CutoffRule(method="sensitivity", sensitivity=0.75)) == pytest.approx(
        0.85
    )
    assert _freeze(positive, predicted, CutoffRule(method="sensitivity", sensitivity=1.0)) == pytest.approx(
        0.95
    )


def test_where_the_lowest_bone_reads_highest_everybody_is_called() -> None:
    rule = CutoffRule(method="sensitivity", sensitivity=1.0)
    assert _freeze([0, 0, 1], [0.7, 0.8, 0.9], rule) == 0.9


@pytest.mark.parametrize(
    ("positive", "predicted"),
    [
        ([0, 0, 0, 0], [0.6, 0.7, 0.8, 0.9]),
        ([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.9]),
        ([1, 0, 0, 0], [0.6, 0.7, 0.8, 0.9]),
    ],
)
def test_nothing_to_learn_from_takes_the_published_cut_and_says_so(
    positive: list[int], predicted: list[float]
) -> None:
    frozen = freeze_cutoff(
        np.array(positive, bool), np.array(predicted), YOUDEN, reference_cut=0.772, minimum_class=2
    )
    assert frozen.value == 0.772
    assert frozen.method.startswith("published cut as it is")


def test_conformal_rank_by_hand() -> None:
    # n = 19, coverage 0.9: rank ceil(20 x 0.9) = 18 of residuals 1..19.
    residuals = np.arange(1.0, 20.0)
    assert conformal_half_width(np.zeros(19), residuals, 0.9) == 18
    assert conformal_half_width(np.zeros(9), np.arange(1.0, 10.0), 0.9) == 9


@pytest.mark.parametrize(
    ("n", "rank"), [(10, 10), (19, 18), (20, 19), (29, 27), (99, 90), (150, 136), (500, 451), (999, 900)]
)
def test_half_width_is_the_one_that_mapie_gives(n: int, rank: int) -> None:
    """MAPIE 1.6.0, SplitConformalRegressor at 0.9 on residuals 1 to n: its half-width is this residual."""
    assert conformal_half_width(np.zeros(n), np.arange(1.0, n + 1), 0.9) == rank


@pytest.mark.parametrize("n", [0, 5, 8])
def test_too_few_calibration_patients_are_refused(n: int) -> None:
    with pytest.raises(CalibrationError, match=f"{n} calibration patients; a 90% interval needs at least 9"):
        conformal_half_width(np.zeros(n), np.ones(n), 0.9)


def test_intervals_cover_new_patients_as_promised() -> None:
    """Exchangeable patients, whatever the noise: coverage on new ones lies between 0.90 and 0.90 + 1/(n+1)."""
    rng = np.random.default_rng(4)
    held = []
    for _ in range(400):
        noise = rng.standard_t(3, 29 + 50)
        half = conformal_half_width(np.zeros(29), noise[:29], 0.9)
        held.append(np.mean(np.abs(noise[29:]) <= half))
    assert 0.885 <= np.mean(held) <= 0.935


@pytest.mark.parametrize("values", [{"method": "youden", "sensitivity": 0.9}, {"method": "sensitivity"}])
def test_a_rule_that_contradicts_itself_is_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="sensitivity"):
        CutoffRule.model_validate(values)
