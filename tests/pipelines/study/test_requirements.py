"""A requirement is met by its bound and nothing else; what cannot be judged is not met."""

from __future__ import annotations

import pytest

from models.evaluation.metric import Metric, undefined
from models.evaluation.saliency_facts import SaliencyFacts
from pipelines.study.params import StudyBounds
from pipelines.study.requirements import body_requirement, requirement, vendor_requirements
from pipelines.study.vendor_left_out import VendorLeftOut

BOUNDS = StudyBounds(
    bmd_share_of_ceiling=0.9,
    bmd_r=0.8,
    bmd_gain_over_hu=0.1,
    osteoporosis_auc=0.92,
    tbs_share_of_ceiling=0.7,
    coverage=(0.865, 0.93),
    vendor_loss=0.05,
)


def metric(value: float, low: float, high: float) -> Metric:
    return Metric(value=value, low=low, high=high, n=700, method="by hand")


@pytest.mark.parametrize(
    ("value", "low", "least", "most", "lower_bound", "met"),
    [
        (0.80, 0.77, 0.80, None, False, True),  # at the bound
        (0.799, 0.77, 0.80, None, False, False),
        (0.05, 0.001, 0.0, None, True, True),
        (0.05, 0.0, 0.0, None, True, False),  # above 0, not at 0
        (0.05, -0.01, 0.0, None, True, False),
        (0.93, 0.91, 0.865, 0.93, False, True),
        (0.931, 0.91, 0.865, 0.93, False, False),
        (0.86, 0.84, 0.865, 0.93, False, False),
    ],
)
def test_bounds_are_closed_for_values_and_open_for_lower_bounds(
    value: float, low: float, least: float, most: float | None, lower_bound: bool, met: bool
) -> None:
    judged = requirement("x", "x", metric(value, low, 1.0), least=least, most=most, lower_bound=lower_bound)
    assert judged.met is met


def test_what_is_not_defined_is_not_met() -> None:
    judged = requirement("x", "x", undefined("one class only", 12, "DeLong"), least=0.9)
    assert judged.met is None
    assert "one class only" in str(judged.measured.reason)


def test_a_vendor_may_lose_the_margin_and_no_more() -> None:
    def vendor(change: float) -> VendorLeftOut:
        both = {"bmd": metric(0.9, 0.88, 0.92), "tbs": metric(0.5, 0.4, 0.6)}
        difference = {"bmd": metric(change, change - 0.02, change + 0.02), "tbs": metric(0.1, 0.0, 0.2)}
        return VendorLeftOut(
            vendor="GE", patients=700, train_patients=263, left_out=both, full=both, difference=difference
        )

    assert [item.met for item in vendor_requirements((vendor(-0.05),), BOUNDS)] == [True, True]
    assert [item.met for item in vendor_requirements((vendor(-0.051),), BOUNDS)] == [False, True]


def test_the_body_must_move_the_answer_three_times_as_much_as_its_surroundings() -> None:
    facts = SaliencyFacts(
        body="by hand",
        body_area_share=0.3,
        replacements={"average": "", "donor": ""},
        metrics={
            "bmd.average": metric(2.99, 2.5, 3.5),
            "bmd.donor": metric(4.0, 3.5, 4.5),
            "tbs.average": metric(3.0, 2.5, 3.5),
            "tbs.donor": metric(1.0, 0.9, 1.1),
        },
        attributed_inside={"bmd": 0.5, "tbs": 0.5},
        integration_error={"bmd": 0.0, "tbs": 0.0},
    )
    bmd, tbs = body_requirement(facts, "bmd", "BMD"), body_requirement(facts, "tbs", "TBS")
    assert (bmd.met, tbs.met) == (False, True)
    assert tbs.note == "replaced by donor: 1.00 [0.90, 1.10]"
    assert body_requirement(None, "bmd", "BMD").met is None
