"""The step as a whole: tables, places, counts, and no identity outside locations.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.ingest_dicom.locations import LocationsError, read_locations
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import (
    SIMULATED_KEY,
    Pseudonymiser,
    PseudonymKeyError,
    cohort_key,
    read_key,
)
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.run import run
from components.ingest_dicom.series_table import SeriesTableError, read_others_table, read_series_table
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_segmentation, make_series, series_uid

ONE = IngestParams(workers=1)
HASH = Pseudonymiser(SIMULATED_KEY)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    make_series(data / "series" / "P1" / "ct", patient_id="DOE^JANE", SpacingBetweenSlices=3.0)
    make_segmentation(data / "series" / "P1" / "seg.dcm", series=1)
    make_series(data / "series" / "P2", series=2, patient_id="ROE", skip=[3], ContrastBolusAgent="OMNIPAQUE")
    make_series(data / "series" / "P3", series=3, study=3, patient_id="POE", Modality="MR", KVP=None)
    broken = make_series(
        data / "series" / "P4", series=4, patient_id="MOE", per_slice={1: {"StudyInstanceUID": "1.9"}}
    )
    broken[0].write_bytes(broken[0].read_bytes()[:-9])
    (data / "series" / "DOE JANE.txt").write_text("a name")
    (data / "dxa.csv").write_text("not read by this step")
    return data


def test_tables_places_and_counts(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    calls: list[tuple[int, int]] = []
    summary = run(
        data=cohort,
        out=out,
        key=SIMULATED_KEY,
        params=ONE,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert summary.file_count == summary.series_file_count + summary.other_count == 8 + 7 + 8 + 8 + 2
    assert summary.others_by_code == {"NOT_CT": 1, "NOT_DICOM": 1}
    assert calls[-1] == (4, 4)
    table = read_series_table(out / "series.parquet").set_index("series")
    first, second, third, fourth = (table.loc[HASH.uid(series_uid(number))] for number in (1, 2, 3, 4))
    assert (first.vendor, first.kvp, first.kernel_class, first.age_years) == ("Siemens", 120.0, "soft", 63.0)
    assert (first.has_levels, first.declared_spacing_mm, first.orientation) == (True, 3.0, "HFS axial")
    assert (first.acquisition_date, first.read_codes) == ("2024-01-15", "")
    assert (second.gap_count, second.contrast_tag, second.read_codes) == (1, True, "SLICE_MISSING")
    assert third.modality == "MR"
    assert math.isnan(third.kvp)
    assert (fourth.truncated_count, fourth.mixed_count, fourth.read_codes) == (1, 1, "FILE_TRUNCATED")
    assert json.loads((out / "manifest.json").read_text())["file_count"] == summary.file_count


def test_places_lead_back_to_a_volume(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(data=cohort, out=out, key=SIMULATED_KEY, params=ONE)
    locations = read_locations(out)
    place = locations[HASH.uid(series_uid(1))]
    assert place.levels == "series/P1/seg.dcm"
    volume = read_volume(locations.series_files(HASH.uid(series_uid(1)), cohort))
    assert volume.shape == (8, 16, 16)
    assert np.all(volume.hu == 40)
    with pytest.raises(LocationsError, match="no series"):
        locations["0" * 16]


def test_a_level_file_named_after_patient_or_series_is_found(cohort: Path, tmp_path: Path) -> None:
    (cohort / "levels").mkdir()
    (cohort / "levels" / "ROE.csv").touch()
    (cohort / "levels" / f"{series_uid(1)}.nii.gz").touch()
    run(data=cohort, out=tmp_path / "out", key=SIMULATED_KEY, params=ONE)
    locations = read_locations(tmp_path / "out")
    assert locations[HASH.uid(series_uid(1))].levels == f"levels/{series_uid(1)}.nii.gz"
    assert locations[HASH.uid(series_uid(2))].levels == "levels/ROE.csv"


def test_no_identity_outside_locations(cohort: Path, tmp_path: Path) -> None:
    out, identity = tmp_path / "out", tmp_path / "intake" / "v1"
    run(data=cohort, out=out, key=SIMULATED_KEY, params=ONE, identity=identity)
    assert b"DOE" in (identity / "locations.json").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "others.parquet",
        "series.parquet",
    ]
    for path in out.iterdir():
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist()).encode()
        for secret in (b"DOE", b"ROE", b"JANE", series_uid(1).encode()):
            assert secret not in content, path.name
    assert set(read_others_table(out / "others.parquet").code) == {"NOT_CT", "NOT_DICOM"}


def test_an_empty_folder_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(RefusedError) as caught:
        run(data=tmp_path / "data", out=tmp_path / "out", key=SIMULATED_KEY, params=ONE)
    assert caught.value.codes == (Code.EMPTY_INPUT,)
    assert list((tmp_path / "out").iterdir()) == []


def test_two_processes_give_the_same_table_as_one(tmp_path: Path) -> None:
    for number in range(1, 8):
        make_series(tmp_path / "data" / str(number), series=number, slices=3, patient_id=str(number))
    for workers in (1, 2):
        run(
            data=tmp_path / "data",
            out=tmp_path / str(workers),
            key=SIMULATED_KEY,
            params=IngestParams(workers=workers),
        )
    one, two = (read_series_table(tmp_path / str(workers) / "series.parquet") for workers in (1, 2))
    assert one.equals(two)
    assert len(one) == 7


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    make_series(tmp_path / "data")
    run(data=tmp_path / "data", out=tmp_path, key=SIMULATED_KEY, params=ONE)
    path = tmp_path / "series.parquet"
    table = pq.read_table(path)
    pq.write_table(
        table.replace_schema_metadata({b"osteogate.table": b"series", b"osteogate.schema_version": b"9"}),
        path,
    )
    with pytest.raises(SeriesTableError, match="version '9'"):
        read_series_table(path)
    path.write_text("no table")
    with pytest.raises(SeriesTableError, match="not a Parquet table"):
        read_series_table(path)
    with pytest.raises(SeriesTableError, match="no such file"):
        read_series_table(tmp_path / "nowhere.parquet")


def test_pseudonyms_are_hmac_sha256_cut_to_16_digits(tmp_path: Path) -> None:
    # printf 'patient:P1' | openssl dgst -sha256 -hmac '0123456789abcdef'
    assert Pseudonymiser(b"0123456789abcdef").patient("P1 ") == PATIENT_BY_OPENSSL
    assert Pseudonymiser(b"0123456789abcdef").uid("P1") != PATIENT_BY_OPENSSL
    assert HASH.patient("") == ""
    with pytest.raises(PseudonymKeyError, match="at least 16"):
        Pseudonymiser(b"short")
    with pytest.raises(PseudonymKeyError, match="cannot be read"):
        read_key(tmp_path / "nowhere")
    (tmp_path / "key").write_bytes(b"a site's own secret key\n")
    assert cohort_key("site", tmp_path / "key") == b"a site's own secret key"
    assert cohort_key("simulated", tmp_path / "nowhere") == SIMULATED_KEY


PATIENT_BY_OPENSSL = "ecc1201c946e5390"
