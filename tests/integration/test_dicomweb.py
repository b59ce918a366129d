"""A DICOMweb server as a source, against a real Orthanc (see orthanc_place for how it is started)."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from components.ingest_dicom import dicomweb
from components.ingest_dicom.dicomweb_errors import (
    DicomWebAddressError,
    DicomWebLoginError,
    DicomWebQueryError,
    DicomWebUnreachableError,
)
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import ScanResult, scan_folder
from components.ingest_dicom.source import Source, open_source
from components.ingest_dicom.source_params import DicomWebParams
from models.errors import OsteoGateError
from models.refusal import Code, RefusedError
from tests.dicom_factory import UID_ROOT, make_segmentation, make_series, series_uid
from tests.integration.orthanc_place import LOGIN, Orthanc, free_port, running_orthanc, why_absent

pytestmark = pytest.mark.integration
QUERY = {"PatientID": "DOE-1"}
PARAMS = IngestParams()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """With a patient of a CT of 7 slices, its SEG and a scanned MR, and another patient's CT."""
    if absent := why_absent():
        pytest.skip(absent)
    folder = tmp_path_factory.mktemp("orthanc")
    hu = np.arange(7, dtype=np.int16)[:, None, None] * np.ones((1, 16, 16), dtype=np.int16)
    with running_orthanc(folder) as server:
        server.store(make_series(folder / "1", slices=7, hu=hu, patient_id="DOE-1"))
        segmentation = dcmread(make_segmentation(folder / "seg.dcm"))
        segmentation.PatientID = "DOE-1"
        segmentation.save_as(folder / "seg.dcm")
        server.store([folder / "seg.dcm"])
        server.store(make_series(folder / "3", slices=2, series=3, patient_id="DOE-1", Modality="MR"))
        server.store(make_series(folder / "4", slices=3, series=4, study=4, patient_id="ROE-2"))
        yield server


def _source(server: Orthanc, query: dict[str, str] = QUERY) -> Source:
    return Source(server.url, query, LOGIN)


def _read(source: Source, scratch: Path, **options: object) -> ScanResult:
    with open_source(source, scratch=scratch, params=PARAMS, **options) as opened:  # type: ignore[arg-type]
        return opened.scan()


def test_a_query_brings_its_series_and_counts_what_it_leaves(orthanc: Orthanc, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with open_source(
        _source(orthanc), scratch=tmp_path, params=PARAMS, progress=lambda *event: told.append(event)
    ) as opened:
        found = opened.scan()
        volume = read_volume(found.series[0])
    assert [series.series_instance_uid for series in found.series] == [series_uid(1)]
    assert [int(value) for value in volume.hu[:, 0, 0]] == list(range(7))  # as they were stored
    assert [other.referenced_series for other in found.segmentations] == [(series_uid(1),)]
    assert Counter(other.kind for other in found.others) == {"segmentation": 1, "series": 1}
    assert found.file_count == 7 + 1 + 1
    assert told[-1] == ("retrieve", 8, 8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ({"StudyInstanceUID": f"{UID_ROOT}.1.4"}, 4),
        ({"SeriesInstanceUID": series_uid(4)}, 4),
        ({"PatientID": "ROE-2", "Modality": "CT", "StudyDate": "20240101-20240131"}, 4),
    ],
)
def test_studies_and_series_are_searched_by_their_own_attributes(
    orthanc: Orthanc, tmp_path: Path, query: dict[str, str], series: int
) -> None:
    found = _read(_source(orthanc, query), tmp_path)
    assert [item.series_instance_uid for item in found.series] == [series_uid(series)]
    assert found.others == []


def test_a_retrieval_that_broke_off_goes_on_where_it_was(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, written = tmp_path / "keep", []
    really = dicomweb._write

    def until_the_third(dataset: object, path: Path) -> bool:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        return really(dataset, path)  # type: ignore[arg-type]

    monkeypatch.setattr(dicomweb, "_write", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        _read(_source(orthanc), tmp_path / "scratch", keep=keep)
    assert sorted(written) == sorted(path for path in keep.rglob("*") if path.is_file())
    (written[0].parent / f".{written[0].name}.partial").write_bytes(b"half an instance")
    again: list[Path] = []

    def noted(dataset: object, path: Path) -> bool:
        again.append(path)
        return really(dataset, path)  # type: ignore[arg-type]

    monkeypatch.setattr(dicomweb, "_write", noted)
    found = _read(_source(orthanc), tmp_path / "scratch", keep=keep)
    assert len(found.series[0].files) == 7
    assert found.file_count == 9
    assert not set(again) & set(written)
    assert len(again) == 8 - 3


def test_an_instance_that_is_listed_and_not_delivered_is_counted(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken out of the server between the search and the retrieval."""
    search = DICOMwebClient.search_for_instances
    ghost = {"00080018": {"vr": "UI", "Value": [f"{UID_ROOT}.3.1.99"]}}

    def with_a_ghost(client: DICOMwebClient, *where: object, **more: object) -> list[object]:
        results = list(search(client, *where, **more))  # type: ignore[arg-type]
        return [*results, ghost] if more["series_instance_uid"] == series_uid(1) else results

    monkeypatch.setattr(DICOMwebClient, "search_for_instances", with_a_ghost)
    found = _read(_source(orthanc), tmp_path)
    assert Counter(other.code for other in found.others) == {Code.NOT_CT: 2, Code.INSTANCE_NOT_DELIVERED: 1}
    assert len(found.series[0].files) == 7
    assert found.file_count == 10


def _error(source: Source, tmp_path: Path, kind: type[OsteoGateError]) -> str:
    params = IngestParams(dicomweb=DicomWebParams(timeout_s=5.0, attempts=1))
    with pytest.raises(kind) as caught, open_source(source, scratch=tmp_path, params=params):
        pass
    assert list(tmp_path.iterdir()) == []
    assert "DOE-1" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_login_is_one_line(orthanc: Orthanc, tmp_path: Path) -> None:
    for login in (None, ("osteogate", "wrong"), "a token"):
        line = _error(Source(orthanc.url, QUERY, login), tmp_path, DicomWebLoginError)
        assert "401" in line
        assert "--login" in line


def test_a_wrong_path_of_the_right_server_is_one_line(orthanc: Orthanc, tmp_path: Path) -> None:
    wrong = orthanc.url.replace("dicom-web", "dicom")
    assert "no DICOMweb service" in _error(Source(wrong, QUERY, LOGIN), tmp_path, DicomWebAddressError)


def test_a_query_that_finds_nothing_is_empty_input(orthanc: Orthanc, tmp_path: Path) -> None:
    for query in ({"PatientID": "NOBODY"}, {"PatientID": "DOE-1", "Modality": "MR"}):
        with pytest.raises(RefusedError) as caught:
            _read(_source(orthanc, query), tmp_path)
        assert caught.value.codes == (Code.EMPTY_INPUT,)


def test_a_query_for_too_much_is_refused(orthanc: Orthanc, tmp_path: Path) -> None:
    params = IngestParams(dicomweb=DicomWebParams(series_max=2))
    with (
        pytest.raises(DicomWebQueryError, match="series_max"),
        open_source(_source(orthanc), scratch=tmp_path, params=params),
    ):
        pass


@pytest.mark.parametrize("query", [{"PatientsId": "1"}, {"PatientID": "*"}, {"PatientID": " "}])
def test_a_query_that_cannot_be_meant_is_refused_before_anything_is_asked(
    tmp_path: Path, query: dict[str, str]
) -> None:
    with (
        pytest.raises(DicomWebQueryError),
        open_source(Source("http://127.0.0.1:9/dicom-web", query), scratch=tmp_path, params=PARAMS),
    ):
        pass


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/dicom-web"
    assert "no answer" in _error(Source(url, QUERY), tmp_path, DicomWebUnreachableError)


def test_a_web_site_that_is_no_dicomweb_server_is_one_line(tmp_path: Path) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Log in</html>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{site.server_port}/"
        assert "no DICOMweb service" in _error(Source(url, QUERY), tmp_path, DicomWebAddressError)
        site.shutdown()


@pytest.mark.real_ct
def test_a_real_series_comes_back_as_it_is_in_its_folder(
    orthanc: Orthanc, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """JPEG 2000 with no series UID cannot be stored; the GE series can, and its pixels come back the same."""
    folder = real_data("ge_discovery_ls_lumbar") / "dicom"
    expected = scan_folder(folder).series[0]
    orthanc.store(expected.paths)
    query = {"SeriesInstanceUID": expected.series_instance_uid}
    with open_source(_source(orthanc, query), scratch=tmp_path, params=PARAMS) as opened:
        found = opened.scan()
        assert found.others == []
        volume = read_volume(found.series[0])
    np.testing.assert_array_equal(volume.hu, read_volume(expected).hu)
