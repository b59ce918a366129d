"""HU in whole numbers are HU in float64, and both are what the standard's line says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from components.ingest_dicom.rescale import to_hu


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "padding", "hu"),
    [
        ([0, 1024, 1100], 1, -1024, None, [-1024, 0, 76]),
        ([0, 1000], 1, -8192, None, [-1024, -1024]),  # below air
        ([65535, 30000], 2, 0, None, [32767, 32767]),  # above what 16 bits hold
        ([-2000, -2000, 40], 1, 0, (-2000, -2000), [-1024, -1024, 40]),
        (
            [63536, 1064],
            1,
            -1024,
            (63536, 63536),
            [32767, 40],
        ),  # padding that would be tissue is not believed
        ([10, 11, 12], 0.5, -1024.25, None, [-1019, -1019, -1018]),  # -1019.25, -1018.75, -1018.25
        ([0, 5, 9, 10], 1, -1000, (0.5, 9.5), [-1000, -1024, -1024, -990]),
    ],
)
def test_hu_by_hand(stored: list, slope: float, intercept: float, padding: tuple | None, hu: list) -> None:
    kind = np.int16 if min(stored) < 0 else np.uint16
    found = to_hu(np.array([stored], kind), slope, intercept, padding)
    assert found.dtype == np.int16
    assert found.tolist() == [hu]


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(("<u2", "<i2", "u1", "i1", "<i4", "<u4")),
    slope=st.sampled_from((1.0, -1.0, 2.0, 4096.0, 4097.0, 0.5, 1.5)),
    intercept=st.integers(-(2**29), 2**29) | st.sampled_from((-1024, 0, -8192)),
    low=st.integers(-70000, 70000) | st.floats(-1e5, 1e5),
    width=st.integers(0, 500),
    data=st.data(),
)
def test_whole_numbers_give_what_float64_gives(
    kind: str, slope: float, intercept: int, low: float, width: int, data: st.DataObject
) -> None:
    stored = data.draw(npst.arrays(np.dtype(kind), (3, 4)))
    padding = (low + width, low)
    hu = np.rint(stored.astype(np.float64) * slope + intercept)
    if (low + width) * slope + intercept <= -900:
        hu[(stored.astype(np.float64) >= low) & (stored.astype(np.float64) <= low + width)] = -1024
    np.testing.assert_array_equal(to_hu(stored, slope, intercept, padding), np.clip(hu, -1024, 32767))
