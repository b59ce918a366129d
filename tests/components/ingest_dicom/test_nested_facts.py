"""Contrast and energy that a header declares in sequences only, in single-frame images and in enhanced CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from tests.dicom_factory import make_series


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


IOHEXOL = {"ContrastBolusAgentSequence": [_item(CodeValue="109218", CodeMeaning="Iohexol")]}
NONE_GIVEN = {"ContrastBolusAgentSequence": [_item(CodeMeaning="No contrast")]}
PHOTON_COUNTING = {
    "MultienergyCTAcquisitionSequence": [
        _item(MultienergyCTXRayDetectorSequence=[_item(MultienergyDetectorType="PHOTON_COUNTING")])
    ]
}
MULTILAYER = {
    "MultienergyCTAcquisitionSequence": [
        _item(MultienergyCTXRayDetectorSequence=[_item(MultienergyDetectorType="MULTILAYER")] * 2)
    ]
}
ONE_ENERGY = {"MultienergyCTCharacteristicsSequence": [_item(MonoenergeticEnergyEquivalent=70.0)]}


@pytest.mark.parametrize(
    ("facts", "declared"),
    [
        ({}, False),
        (IOHEXOL, True),
        ({"ContrastBolusAgentSequence": [_item(CodeValue="109218")]}, True),
        ({"ContrastBolusAgentSequence": []}, False),
        (NONE_GIVEN, False),
        ({"ContrastBolusAgent": "NONE", **IOHEXOL}, True),
        ({"ContrastBolusAgent": "without contrast"}, False),
        ({"ContrastBolusVolume": "100"}, True),
        ({"ContrastBolusVolume": "0"}, False),  # as Siemens and planning systems write without contrast
        ({"ContrastBolusIngredient": "IODINE"}, True),
        ({"ContrastBolusRoute": "IV"}, False),  # a route of nothing
    ],
)
def test_contrast_is_declared_wherever_the_module_holds_it(
    tmp_path: Path, facts: dict[str, Any], declared: bool
) -> None:
    make_series(tmp_path / "ct", slices=12, **facts)
    row = inspect_series(scan_folder(tmp_path / "ct").series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())
    assert row.contrast_tag is declared


@pytest.mark.parametrize(
    ("facts", "expected"),
    [(PHOTON_COUNTING, "photon_counting"), (MULTILAYER, "original"), (ONE_ENERGY, "monoenergetic")],
)
def test_detector_and_energy_are_read_from_the_multi_energy_sequences(
    tmp_path: Path, facts: dict[str, Any], expected: str
) -> None:
    make_series(tmp_path / "ct", slices=12, **facts)
    row = inspect_series(scan_folder(tmp_path / "ct").series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())
    assert row.image_class == expected
    assert row.image_class_basis == ("" if expected == "original" else "header")
