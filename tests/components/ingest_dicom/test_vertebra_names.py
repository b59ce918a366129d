"""Which words and codes mean one vertebra, and which only contain its name."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from components.ingest_dicom.vertebra_names import rib_named, vertebra_coded, vertebra_named


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("L1", "L1"), ("l_2", "L2"), ("L03", "L3"), ("L-4", "L4"), ("L 1", "L1"), ("vertebrae_L1", "L1"),
        ("VB_L3", "L3"), ("VertebraL1", "L1"), ("LV1", "L1"), ("LWK 4", "L4"), ("BWK12", "T12"), ("Th12", "T12"),
        ("Lumbar vertebra 1", "L1"), ("First lumbar vertebra", "L1"), ("1st lumbar", "L1"), ("L1 body", "L1"),
        ("L3 (3rd lumbar vertebra)", "L3"), ("vertebrae_L6", "L6"), ("T13", "T13"), ("vertebrae_S1", "S1"),
    ],
)  # fmt: skip
def test_spellings_of_one_vertebra(text: str, name: str) -> None:
    assert vertebra_named(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "L1-L2 disc", "L2/L3 disc", "IVD_L1L2", "L1-L4", "L1/2", "L1L2", "PTV_L1", "GTV L3 8Gy", "L4 nerve root",
        "rib_left_12", "Vertebral 1", "L7", "spine", "sacrum", "liver", "psoas L3", "L3 level", "Segment 1", "SL1", "",
    ],
)  # fmt: skip
def test_what_only_contains_the_name_is_no_vertebra(text: str) -> None:
    assert vertebra_named(text) is None


def test_ribs_have_numbers() -> None:
    assert [rib_named(text) for text in ("rib_left_12", "Rib 11 R", "ribs", "L1", "tribune")] == [
        12,
        11,
        0,
        None,
        None,
    ]


def code_item(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "x"
    return item


def test_codes_of_other_schemes_mean_something_else() -> None:
    assert vertebra_coded(None, [code_item("66794005", "SCT")]) == "L1"
    assert vertebra_coded([code_item("T-11930", "SRT")]) == "L3"
    assert vertebra_coded([code_item("66794005", "99LOCAL")]) is None
    assert vertebra_coded([], None) is None
