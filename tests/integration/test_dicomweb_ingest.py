"""`osteogate ingest` from a DICOMweb server (a real Orthanc): de-identified, gone on with, no original left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from components.ingest_dicom import dicomweb
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.source import Source
from pipelines.own_cohort import write_template
from pipelines.take_in import TakenIn, take_in
from tests.dicom_factory import make_segmentation, make_series, series_uid
from tests.integration.orthanc_place import LOGIN, Orthanc, running_orthanc, why_absent
from tests.planted_identifiers import PATIENT_ID, found_in, plant_person, plant_private

pytestmark = pytest.mark.integration
KEY = Pseudonymiser(b"the secret of these tests, 32 by")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """With one patient's CT of 7 slices, its SEG, and a screen save."""
    if absent := why_absent():
        pytest.skip(absent)
    folder = tmp_path_factory.mktemp("orthanc")
    files = make_series(folder / "ct", slices=7)
    files.append(make_segmentation(folder / "seg.dcm"))
    files += make_series(folder / "shot", slices=1, series=3, BurnedInAnnotation="YES")
    for path in files:
        dataset = dcmread(path)
        plant_person(dataset)
        plant_private(dataset)
        dataset.save_as(path)
    with running_orthanc(folder) as server:
        server.store(files)
        yield server


def _take(server: Orthanc, cohort: Path, home: Path) -> TakenIn:
    return take_in(
        Source(server.url, {"PatientID": PATIENT_ID}, LOGIN),
        cohort,
        pseudonymiser=KEY,
        params=IngestParams(workers=1),
        home=home,
        progress=lambda *_: None,
    )


def test_what_a_server_sends_comes_in_without_its_patient(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, home = tmp_path / "cohort", tmp_path / "home"
    write_template(cohort)
    really, written = dicomweb._write, []

    def until_the_third(dataset: object, path: Path) -> bool:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        return really(dataset, path)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(dicomweb, "_write", until_the_third)
        with pytest.raises(KeyboardInterrupt):
            _take(orthanc, cohort, home)
    assert found_in(home / "retrieved"), "originals wait here for the same command, or for their term"
    assert found_in(cohort) == []
    taken = _take(orthanc, cohort, home)
    assert (taken.copied, taken.left, taken.files) == (8, {"BURNED_IN_TEXT": 1}, 9)
    found = scan_folder(cohort / "series")
    assert [series.series_instance_uid for series in found.series] == [KEY.new_uid(series_uid(1))]
    assert [one.referenced_series for one in found.segmentations] == [(KEY.new_uid(series_uid(1)),)]
    assert found_in(cohort) == []
    (record,) = (home / "intake" / "taken-in").iterdir()
    assert found_in(home, but=(record.name,)) == []
    assert list((home / "retrieved").iterdir()) == []
    again = _take(orthanc, cohort, home)
    assert (again.copied, again.already_there) == (0, 8)
