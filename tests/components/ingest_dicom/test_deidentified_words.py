"""Of descriptions only words of radiology stay, and they say the same of contrast and image."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.deidentify.vocabulary import clean_descriptor
from components.ingest_dicom.image_class import image_class


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
