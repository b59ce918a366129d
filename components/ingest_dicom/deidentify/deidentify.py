"""One DICOM object without its patient: the basic profile at every level, with the options this use needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, UID_dictionary

from components.ingest_dicom.age import capped_age_text, dicom_date
from components.ingest_dicom.deidentify.identifying import Identifying
from components.ingest_dicom.deidentify.labels import LABELS, clean_label
from components.ingest_dicom.deidentify.profile import Action, action_for, apply, removes
from components.ingest_dicom.deidentify.retained import (
    DATES,
    DESCRIPTORS,
    PIXELS,
    SEQUENCES,
    TECHNIQUE,
)
from components.ingest_dicom.deidentify.statement import state_method
from components.ingest_dicom.deidentify.value_kinds import NUMBER_BYTES, as_the_standard_has_it, is_number
from components.ingest_dicom.deidentify.vocabulary import WORDS, clean_descriptor
from components.ingest_dicom.elements import VALUE_ERRORS, text, texts
from components.ingest_dicom.pseudonym import Pseudonymiser

NUMBER_TEXTS = frozenset(("DS", "IS"))
# coded in the order of their values
IN_PLACES = frozenset(("ImageType", "FrameType"))
WITHHELD = "WITHHELD"
# registered by DICOM, and not yet known to the library: label map segmentation
NEWER_CLASSES = frozenset(("1.2.840.10008.5.1.4.1.1.66.7",))
SEXES = ("F", "M", "O")
CURVES_AND_OVERLAYS = (0x50, 0x60)  # first byte of the group number
# what ContrastBolusAgent says when there was none; any other text means that there was one
NO_AGENT = frozenset(("NONE", "NO", "N", "NO CONTRAST", "WITHOUT", "0", "NOT APPLIED", "-"))
# 66794005, 113100, T-11503, 24966-4: what the schemes below write
CODE = re.compile(r"[A-Z]{1,2}-[0-9A-F]{2,8}|[0-9]{2,18}(-[0-9])?", re.ASCII)
CODING_SCHEMES = frozenset(("DCM", "SCT", "SRT", "SNM3", "99SDM", "FMA", "LN", "UCUM", "RADLEX", "NCIT"))


@dataclass(frozen=True)
class Person:
    """Whose object it is: what all of it is pseudonymised and shifted by."""

    patient_id: str
    study_uid: str
    pseudonymiser: Pseudonymiser
    identifying: Identifying

    def uid(self, uid: str) -> str:
        """The keyed UID in place of one of the sender's; registered ones stay, and all of a copy made with this key.

        So a copy of a copy is the same object, and what was drawn on a copy still refers to it.
        """
        kept = (
            not uid
            or uid in UID_dictionary
            or uid in NEWER_CLASSES
            or self.pseudonymiser.made(self.patient_id)
        )
        return uid if kept else self.pseudonymiser.new_uid(uid)


def deidentify(dataset: Dataset, pseudonymiser: Pseudonymiser) -> None:
    """Take the identity out of a CT, segmentation or structure set, in place; pixels are not looked at.

    Private attributes, curves, overlays and all text that is not listed in `retained.py` go, at every level; the
    rest follows PS3.15 table E.1-1. UIDs that no standard registers become keyed ones, so that what refers to an image
    still does; dates move by the patient's whole days; age (90 from 90 on) and sex stay. What was done is said in
    PatientIdentityRemoved, DeidentificationMethod and its code sequence.
    """
    person = Person(
        patient_id=text(dataset, "PatientID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        pseudonymiser=pseudonymiser,
        identifying=Identifying(dataset),
    )
    age = capped_age_text(
        text(dataset, "PatientAge"), text(dataset, "PatientBirthDate"), text(dataset, "StudyDate")
    )
    sex = text(dataset, "PatientSex").upper()
    agent = text(dataset, "ContrastBolusAgent").upper() if "ContrastBolusAgent" in dataset else None
    _clean(dataset, person)
    dataset.PatientID = dataset.PatientName = pseudonymiser.new_patient_id(person.patient_id)
    dataset.PatientBirthDate = ""
    dataset.PatientSex = sex if sex in SEXES else ""
    if age:
        dataset.PatientAge = age
    if agent is not None:
        dataset.ContrastBolusAgent = agent if agent in NO_AGENT or not agent else "CONTRAST"
    state_method(dataset)


def _clean(item: Dataset, person: Person) -> None:
    """One data set or sequence item; ends with the library's own pass over what is left to the profile."""
    for_the_profile: dict[tuple[int, int], Action] = {}
    for tag in list(item.keys()):
        pair = (tag.group, tag.element)
        if tag.is_private or tag.group >> 8 in CURVES_AND_OVERLAYS or not dictionary_has_tag(tag):
            del item[tag]
            continue
        keyword, vr = keyword_for_tag(tag), _vr(item, tag)
        action = action_for(pair)
        if not as_the_standard_has_it(tag, vr):
            del item[tag]
        elif vr == "SQ":
            _clean_sequence(item, tag, keyword, person)
        elif "UI" in (vr, dictionary_VR(tag)):
            _replace_uids(item, tag, person, drop=removes(pair))
        elif keyword in PIXELS:
            pass
        elif keyword in DATES:
            _shift(item, tag, keyword, person)
        elif keyword in DESCRIPTORS:
            _clean_text(item, tag, keyword)
        elif keyword in TECHNIQUE:
            if not _harmless(item, tag, vr, person) and not _without_names(item, tag, keyword, person):
                del item[tag]
        elif vr in ("DA", "DT") or (vr == "TM" and action is not None and removes(pair)):
            _without_date(item, tag, action, removed=removes(pair))
        elif action is not None and vr not in ("OB", "OW", "OF", "OD", "OL", "OV", "UN"):
            for_the_profile[pair] = action
        elif vr not in NUMBER_BYTES or not is_number(item, tag, vr):
            del item[tag]
    apply(item, for_the_profile)


def _vr(item: Dataset, tag: BaseTag) -> str:
    """The element's VR as the file has it, else as the standard's dictionary has it."""
    element = item.get_item(tag)
    vr = None if element is None else element.VR
    return dictionary_VR(tag) if vr in (None, "UN") else str(vr)


def _clean_sequence(item: Dataset, tag: BaseTag, keyword: str, person: Person) -> None:
    if keyword not in SEQUENCES:
        if removes((tag.group, tag.element)) or action_for((tag.group, tag.element)) is None:
            del item[tag]
        else:
            item[tag].value = Sequence()
        return
    try:
        inner = item[tag].value
    except VALUE_ERRORS:
        inner = None
    if not isinstance(inner, Sequence):
        del item[tag]
        return
    for one in inner:
        _clean(one, person)


def _replace_uids(item: Dataset, tag: BaseTag, person: Person, *, drop: bool) -> None:
    """Keyed UIDs for all that no standard registers (SOP classes, transfer syntaxes and the like stay)."""
    if drop:
        del item[tag]
        return
    keyword = keyword_for_tag(tag)
    old = texts(item, keyword, most=None)
    new = [person.uid(uid) for uid in old]
    if tuple(new) != old:
        item[tag].value = UID(new[0]) if len(new) == 1 else [UID(uid) for uid in new]


def _shift(item: Dataset, tag: BaseTag, keyword: str, person: Person) -> None:
    """A date under the patient's shift; what is no date is emptied, the time of a date with time is midnight."""
    dates = [dicom_date(value[:8] if _vr(item, tag) == "DT" else value) for value in texts(item, keyword)]
    days = [day and person.pseudonymiser.shifted(day, person.patient_id, person.study_uid) for day in dates]
    form = "%Y%m%d000000" if _vr(item, tag) == "DT" else "%Y%m%d"
    # zfill: strftime writes the year 202 with three digits
    written = [day.strftime(form).zfill(14 if _vr(item, tag) == "DT" else 8) if day else "" for day in days]
    _write(item, tag, written[0] if len(written) == 1 else written or "")


def _without_date(item: Dataset, tag: BaseTag, action: Action | None, *, removed: bool) -> None:
    """A date that nobody needs: removed where the profile removes it or does not know it, else emptied."""
    if removed or action is None:
        del item[tag]
    else:
        _write(item, tag, "")


def _clean_text(item: Dataset, tag: BaseTag, keyword: str) -> None:
    clean = clean_label if keyword in LABELS else clean_descriptor
    cleaned = clean(text(item, keyword)) or DESCRIPTORS[keyword]
    if keyword == "ContentLabel":  # a code string: upper case, no blank but the underscore, 16 characters
        cleaned = "_".join(cleaned.upper().split())[:16]
    _write(item, tag, cleaned)


def _harmless(item: Dataset, tag: BaseTag, vr: str, person: Person) -> bool:
    """Whether a kept value is what it should be: a number where numbers stand, and nothing that names the patient."""
    if vr in NUMBER_BYTES:
        return is_number(item, tag, vr)
    keyword = keyword_for_tag(tag)
    values = texts(item, keyword, most=None)
    if not values:  # empty, or nobody can read it
        element = item.get_item(tag)
        return not (isinstance(element, RawDataElement) and element.value and element.value.strip(b" \0"))
    if dictionary_VR(tag) in NUMBER_TEXTS:
        return all(_is_number(value) for value in values)
    if keyword == "CodeValue":
        return all(CODE.fullmatch(value) for value in values)
    if keyword == "CodingSchemeDesignator":
        return all(value.upper() in CODING_SCHEMES for value in values)
    return not any(person.identifying.found_in(value) for value in values)


def _without_names(item: Dataset, tag: BaseTag, keyword: str, person: Person) -> bool:
    """Whether the text could be kept but for the values of several that name the patient: ImageType needs its places.

    A patient may be called as a word of radiology is (a phantom named Perfusion): that word says nothing.
    """
    values = texts(item, keyword, most=None)
    if len(values) < 2 or keyword not in IN_PLACES:
        return False
    kept = [
        WITHHELD if value.upper() not in WORDS and person.identifying.found_in(value) else value
        for value in values
    ]
    _write(item, tag, kept)
    return True


def _is_number(value: str) -> bool:
    try:
        float(value or "0")
    except ValueError:
        return False
    return True


def _write(item: Dataset, tag: BaseTag, value: object) -> None:
    """Set a value without reading the old one, which may be malformed."""
    element = item.get_item(tag)
    vr = _vr(item, tag) if isinstance(element, RawDataElement) else str(item[tag].VR)
    item.add_new(tag, vr, value)
