"""What names the patient in one object, so that text that is kept can be searched for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from components.ingest_dicom.age import dicom_date
from components.ingest_dicom.elements import texts

NUMBERS_OF_A_PERSON = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "ServiceEpisodeID", "MedicalRecordLocator",
    "PatientTelephoneNumbers", "PatientAddress", "InsurancePlanIdentification", "RequestedProcedureID",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
)  # fmt: skip
NAME_LETTERS_MIN, NUMBER_LETTERS_MIN = 3, 4
# kana, ideographs, hangul: a name of one or two signs is whole
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
NAME_PARTS = re.compile(r"[\^=\s,;]+")


class Identifying:
    """Names, numbers and birth dates of the people in one object."""

    def __init__(self, dataset: Dataset) -> None:
        values = {value.casefold() for value in _values(dataset)}
        # as whole words: "Lee" is not in "SLEEP"; an underscore ends a word. Ideographs stand without blanks.
        alternatives = [
            re.escape(value) if UNSPACED.search(value) else rf"(?<![^\W_]){re.escape(value)}(?![^\W_])"
            for value in sorted(values, key=len, reverse=True)
        ]
        self._pattern = re.compile("|".join(alternatives)) if values else None

    def found_in(self, text: str) -> bool:
        """Whether the text holds any of them, in upper or lower case."""
        return self._pattern is not None and self._pattern.search(text.casefold()) is not None


def _values(dataset: Dataset) -> Iterator[str]:
    for element in _names(dataset):
        yield from (
            part
            for part in NAME_PARTS.split(element)
            if len(part) >= NAME_LETTERS_MIN or UNSPACED.search(part)
        )
    for keyword in NUMBERS_OF_A_PERSON:
        yield from (value for value in texts(dataset, keyword) if len(value) >= NUMBER_LETTERS_MIN)
    for text in texts(dataset, "PatientBirthDate"):
        if (born := dicom_date(text)) is not None:
            yield from (
                born.strftime(form) for form in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
            )


def _names(dataset: Dataset) -> Iterator[str]:
    for tag in dataset.keys():  # noqa: SIM118 - iterating the data set itself converts every element
        if dictionary_has_tag(tag) and dictionary_VR(tag) == "PN":
            yield from texts(dataset, keyword_for_tag(tag))
