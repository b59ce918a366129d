"""Of descriptions only words of radiology stay, and they say the same of contrast and image."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.deidentify.labels import clean_label
from components.ingest_dicom.deidentify.vocabulary import clean_descriptor
from components.ingest_dicom.image_class import image_class
from components.ingest_dicom.vertebra_names import rib_named, vertebra_named


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("LWS 3.0 B30f", "LWS"), ("Abdomen Frau Zimmerman", "Abdomen"), ("vertebrae_L1", "vertebrae_L1"),
        ("L1-L4 bodies", "L1-L4 bodies"), ("NON Meier CONTRAST", "CONTRAST"), ("W CONT Meier 02 03 47", "W CONT"),
        ("1947-03-02", ""), ("CONTRASTMEIER", "CONTRAST"), ("Monoenergetic 70 keV Meier", "Monoenergetic keV"),
    ],
)  # fmt: skip
def test_of_a_description_only_words_of_radiology_stay(text: str, cleaned: str) -> None:
    assert clean_descriptor(text) == cleaned


@pytest.mark.real_ct
def test_real_descriptions_say_the_same_of_contrast_and_image(real_data) -> None:
    file = next(real_data("ct_series_catalogue").glob("*.csv.gz"))
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        table = pd.read_csv(stream)
    texts = sorted(
        {str(text) for text in pd.concat([table["SeriesDescription"], table["StudyDescription"]]).dropna()}
    )
    assert len(texts) > 1000
    changed = [
        text
        for text in texts
        for cleaned in [clean_descriptor(text)]
        if bool(contrast_words(cleaned)) != bool(contrast_words(text))
        or image_class((), cleaned.upper()) != image_class((), text.upper())
    ]
    assert changed == []
    # a surname that the archive's own anonymiser let through
    assert any("ZIMMERMAN" in text.upper() for text in texts)
    assert not any("ZIMMERMAN" in clean_descriptor(text).upper() for text in texts)


@pytest.mark.parametrize(
    ("label", "cleaned"),
    [
        ("vertebrae_L1", "vertebrae_L1"), ("L2 Zimmerman", "L2"), ("Lumbar vertebra 3", "L3"), ("LWK 4", "L4"),
        ("2nd lumbar vertebra of Zimmerman", "L2"), ("PTV_L2", ""), ("disc L2/3 Zimmerman", "disc"), ("Zimmerman", ""),
        ("rib_left_12", "rib 12"), ("ribs", "RIBS"), ("Rippe", ""), ("L1 nerve root", ""), ("psoas_L3_left", ""),
        ("Aorta", "Aorta"), ("L1-L4 bodies", "L1-L4 bodies"),
    ],
)  # fmt: skip
def test_a_label_means_the_same_vertebra_or_rib_or_none(label: str, cleaned: str) -> None:
    assert clean_label(label).upper() == cleaned.upper()
    assert (vertebra_named(clean_label(label)), rib_named(clean_label(label))) == (
        vertebra_named(label),
        rib_named(label),
    )
