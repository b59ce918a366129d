"""What a de-identified object says was done to it (DICOM PS3.15 E.1.1, PS3.3 C.7.1.1 and C.12.1)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

METHOD = ("DICOM PS3.15 basic profile, text by allow-list", "OsteoGate, dates shifted, UIDs keyed")
PROFILE_AND_OPTIONS = (
    codes.DCM.BasicApplicationConfidentialityProfile,
    codes.DCM.CleanDescriptorsOption,
    codes.DCM.RetainLongitudinalTemporalInformationModifiedDatesOption,
    codes.DCM.RetainPatientCharacteristicsOption,
    codes.DCM.RetainDeviceIdentityOption,
)


def state_method(dataset: Dataset) -> None:
    """Write PatientIdentityRemoved, the method in words and codes, and that dates are modified."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = list(METHOD)
    dataset.DeidentificationMethodCodeSequence = [_item(code) for code in PROFILE_AND_OPTIONS]
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"


def _item(code: object) -> Dataset:
    item = Dataset()
    item.CodeValue = getattr(code, "value", "")
    item.CodingSchemeDesignator = getattr(code, "scheme_designator", "")
    item.CodeMeaning = getattr(code, "meaning", "")
    return item
