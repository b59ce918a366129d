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
    ("text", "name"),
    [
        ("1. LWK", "L1"), ("LWK II", "L2"), ("Lendenwirbelkörper 3", "L3"), ("vierter Lendenwirbel", "L4"),
        ("vertèbre lombaire 1", "L1"), ("troisième vertèbre lombaire", "L3"), ("1re vertèbre lombaire", "L1"),
        ("vértebra lumbar 2", "L2"), ("cuarta vértebra lumbar", "L4"), ("vertebra lombare 1", "L1"),
        ("vertebra lumbalis quarta", "L4"), ("corpus vertebrae lumbalis I", "L1"), ("eerste lumbale wervel", "L1"),
        ("第1腰椎", "L1"), ("第四腰椎", "L4"), ("腰椎3", "L3"), ("L1椎体", "L1"), ("поясничный позвонок 2", "L2"),
        ("Lumbar_vertebrae_1", "L1"), ("12. Brustwirbel", "T12"), ("vertebra L4 (lumbar 4)", "L4"),
    ],
)  # fmt: skip
def test_the_languages_of_hospitals(text: str, name: str) -> None:
    assert vertebra_named(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "L1-L2 disc", "L2/L3 disc", "IVD_L1L2", "L1-L4", "L1/2", "L1L2", "PTV_L1", "GTV L3 8Gy", "L4 nerve root",
        "rib_left_12", "Vertebral 1", "L7", "spine", "sacrum", "liver", "psoas L3", "L3 level", "Segment 1", "SL1", "",
        "LWK1-4", "LWK 1 - LWK 4", "lumbar vertebrae 1-5", "VAT L3", "SAT_L3", "fat L3", "aorta L1", "Bandscheibe L1",
        "disque L1", "腰椎間板1", "Costa L1", "vertebra L4 (lumbar 3)", "L V",
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
    assert (
        vertebra_coded([code_item("FMA13072", "FMA")]) == "L1" == vertebra_coded([code_item("13072", "FMA")])
    )
    assert vertebra_coded([code_item("UBERON:0004620", "UBERON")]) == "L4"
    assert vertebra_coded([code_item("13072", "SCT")]) is None
