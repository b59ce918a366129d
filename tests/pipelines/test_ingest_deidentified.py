"""What `osteogate ingest` copies names nobody, fits together as the originals did, and nothing of it is lost."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.level_files import find_level_file
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.source import Source
from components.validate_dicom.dxa_table import read_dxa_table
from models.dxa_columns import DXA_COLUMNS
from pipelines import intake_copy
from pipelines.cohort_identity import CohortIdentityError
from pipelines.intake_record import record_of
from pipelines.intake_tables import OwnTableError
from pipelines.own_cohort import write_template
from pipelines.take_in import TakeInError, TakenIn, take_in
from tests.command_line import EXAM, one_line, osteogate
from tests.dicom_factory import make_segmentation, make_series, series_uid

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
OTHER = Pseudonymiser(b"the secret of another site, 32 b")
PATIENT = "DOE-4711"
LEVELS = "level,x_mm,y_mm,z_mm,series_instance_uid\nL1,0,0,-290,{uid}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """In the layout of a cohort: CT, its SEG, a screen save of it, an exam, levels by patient and by series."""
    folder = tmp_path / "DOE JANE"
    make_series(folder / "series" / "ct", slices=4, patient_id=PATIENT)
    segmentation = dcmread(make_segmentation(folder / "series" / "seg.dcm"))
    segmentation.PatientID = PATIENT
    segmentation.save_as(folder / "series" / "seg.dcm")
    make_series(
        folder / "series" / "shots",
        slices=1,
        series=2,
        patient_id=PATIENT,
        BurnedInAnnotation="PARTLY",
    )
    (folder / "levels").mkdir()
    (folder / "levels" / f"{PATIENT}.csv").write_text(LEVELS.format(uid=series_uid(1)))
    (folder / "levels" / f"{series_uid(1)}.csv").write_text(LEVELS.format(uid=""))
    _write_exams(folder / "dxa.csv", [{**EXAM, "patient_id": PATIENT}])
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    write_template(tmp_path / "cohort")
    return tmp_path / "cohort"


def _write_exams(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _take(
    source: Path, cohort: Path, tmp_path: Path, *, key: Pseudonymiser = KEY, deidentify: bool = True
) -> TakenIn:
    taken = take_in(
        Source(str(source)),
        cohort,
        pseudonymiser=key,
        params=IngestParams(workers=1, deidentify=deidentify),
        home=tmp_path / "home",
        progress=lambda *_: None,
    )
    assert taken.files == taken.copied + taken.already_there + taken.left.total()
    return taken


def _content(cohort: Path) -> dict[str, bytes]:
    return {
        path.relative_to(cohort).as_posix(): path.read_bytes() for path in cohort.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("as_archive", [False, True])
def test_images_levels_and_exams_come_in_under_one_pseudonym(
    source: Path, cohort: Path, tmp_path: Path, as_archive: bool
) -> None:
    place = source
    if as_archive:  # with a folder of its own in it, as an archive of a folder has
        place = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path, source.name))
    taken = _take(place, cohort, tmp_path)
    assert (taken.copied, taken.series, taken.left) == (8, 1, {"BURNED_IN_TEXT": 1})
    (original,) = [one for one in scan_folder(source).series if one.series_instance_uid == series_uid(1)]
    found = scan_folder(cohort / "series")
    (series,) = found.series
    np.testing.assert_array_equal(read_volume(series).hu, read_volume(original).hu)
    assert series.series_instance_uid == KEY.new_uid(series_uid(1))
    assert {header.patient_id for header in series.files} == {KEY.new_patient_id(PATIENT)}
    assert [one.referenced_series for one in found.segmentations] == [(series.series_instance_uid,)]
    by_series = find_level_file(cohort, "", series.series_instance_uid)
    by_patient = find_level_file(cohort, series.files[0].patient_id, "")
    assert by_series is not None
    assert by_patient is not None
    assert by_patient.read_text() == LEVELS.format(uid=series.series_instance_uid)
    exams = read_dxa_table(cohort / "dxa.csv", KEY)
    assert exams["patient"].tolist() == [KEY.patient(PATIENT)]
    shift = KEY.date_shift_days(PATIENT)
    assert exams["exam_date"].tolist() == read_dxa_table(source / "dxa.csv", KEY)["exam_date"].tolist()
    scanned, exam = series.files[0].study_date, exams["exam_date"][0].replace("-", "")
    assert np.datetime64(f"{scanned[:4]}-{scanned[4:6]}-{scanned[6:]}") == np.datetime64("2024-01-15") + shift
    assert np.datetime64(f"{exam[:4]}-{exam[4:6]}-{exam[6:]}") == np.datetime64("2024-01-20") + shift
    everything = b"".join(_content(cohort).values()) + "".join(_content(cohort)).encode()
    assert PATIENT.encode() not in everything
    assert series_uid(1).encode() not in everything
    assert json.loads((cohort / "cohort.json").read_text())["deidentified_with_key"] == KEY.key_id


def test_whose_each_pseudonym_is_stays_in_the_intake_readable_by_its_owner(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(source, cohort, tmp_path)
    record = record_of(tmp_path / "home", cohort, KEY)
    assert record.patients[KEY.new_patient_id(PATIENT)] == PATIENT
    assert record.cohort == str(cohort)
    assert record.path.stat().st_mode & 0o077 == 0


def test_the_same_again_is_there_already_wherever_it_comes_from(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(source, cohort, tmp_path)
    before = _content(cohort)
    archive = Path(shutil.make_archive(str(tmp_path / "all"), "gztar", source))
    deidentify_folder(source / "series", tmp_path / "copy", KEY)
    shutil.rmtree(tmp_path / "home" / "intake")  # without the record it takes longer, and nothing else
    for place, files in ((source, 8), (archive, 8), (source, 8), (tmp_path / "copy" / "series", 5)):
        taken = _take(place, cohort, tmp_path)
        assert (taken.copied, taken.already_there) == (0, files)
        assert _content(cohort) == before


def test_another_image_under_a_taken_uid_is_kept_to_be_judged(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(source, cohort, tmp_path)
    path = source / "series" / "ct" / "IM0001.dcm"
    dataset = dcmread(path)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(path)
    for copied in (1, 0):
        assert _take(source, cohort, tmp_path).copied == copied
    assert len(scan_folder(cohort / "series").series[0].files) == 5


def test_a_killed_run_is_gone_on_with_and_copies_nothing_twice(
    source: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    write_template(whole)
    _take(source, whole, tmp_path)
    really, made = intake_copy.deidentify_file, []

    def third_is_cut(path: Path, target: Path, key: Pseudonymiser) -> None:
        really(path, target, key)
        made.append(path)
        if len(made) == 3:
            target.write_bytes(target.read_bytes()[:200])
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(intake_copy, "deidentify_file", third_is_cut)
        with pytest.raises(KeyboardInterrupt):
            _take(source, cohort, tmp_path)
    with record_of(tmp_path / "home", cohort, KEY).path.open("a") as record:
        record.write('{"file": "torn')
    first = made[:2]
    made.clear()

    def noted(path: Path, target: Path, key: Pseudonymiser) -> None:
        made.append(path)
        really(path, target, key)

    monkeypatch.setattr(intake_copy, "deidentify_file", noted)
    assert (_take(source, cohort, tmp_path).copied, set(made) & set(first)) == (6, set())
    assert _content(cohort) == _content(whole)


def test_levels_and_exams_may_come_later_and_are_corrected_by_coming_again(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in ("levels", "dxa.csv"):
        shutil.move(source / name, tables / name)
    assert _take(source, cohort, tmp_path).copied == 5
    assert _take(tables, cohort, tmp_path).copied == 3
    uid = KEY.new_uid(series_uid(1))
    path = find_level_file(cohort, "", uid)
    assert path is not None
    for z in ("-280", "-290"):
        (tables / "levels" / f"{series_uid(1)}.csv").write_text(f"level,x_mm,y_mm,z_mm\nL1,0,0,{z}\n")
        assert _take(tables, cohort, tmp_path).copied == 1
        assert path.read_text().endswith(f",{z}\n")
    second = {**EXAM, "patient_id": PATIENT, "exam_date": "2024-02-01"}
    _write_exams(tables / "dxa.csv", [{**EXAM, "patient_id": PATIENT}, second])
    typed = {**EXAM, "patient_id": "ROE-1", "device": "ours"}
    with (cohort / "dxa.csv").open("a", newline="") as file:
        csv.DictWriter(file, DXA_COLUMNS).writerow(typed)
    assert _take(tables, cohort, tmp_path).copied == 1
    with (cohort / "dxa.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {name: value for name, value in rows[1].items() if value} == typed


def test_a_table_that_may_name_anybody_is_left_and_ones_own_is_never_overwritten(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    (source / "dxa.csv").write_text("name,bmd\nJane Doe,0.9\n")
    assert _take(source, cohort, tmp_path).left == {"BURNED_IN_TEXT": 1, "NOT_KEPT_IN_COPY": 1}
    (cohort / "dxa.csv").write_text("mine\n1\n")
    _write_exams(source / "dxa.csv", [{**EXAM, "patient_id": PATIENT}])
    with pytest.raises(OwnTableError, match=r"cohort template"):
        _take(source, cohort, tmp_path)
    assert (cohort / "dxa.csv").read_text() == "mine\n1\n"


def test_originals_are_kept_only_when_asked_and_never_beside_copies(
    source: Path, cohort: Path, tmp_path: Path
) -> None:
    taken = _take(source, cohort, tmp_path, deidentify=False)
    assert taken.copied == 9, "the screen save too: whoever keeps originals keeps what they show"
    assert (cohort / "levels" / f"{PATIENT}.csv").is_file()
    assert read_dxa_table(cohort / "dxa.csv", KEY)["patient"].tolist() == [KEY.patient(PATIENT)]
    with pytest.raises(CohortIdentityError, match=r"not de-identified.*NEW"):
        _take(source, cohort, tmp_path)
    new = tmp_path / "new"
    write_template(new)
    assert _take(cohort, new, tmp_path).copied == 8, "a cohort of originals is a source as well"
    with pytest.raises(CohortIdentityError, match=r"names nobody"):
        _take(source, new, tmp_path, deidentify=False)
    with pytest.raises(CohortIdentityError, match=r"another key|with key"):
        _take(source, new, tmp_path, key=OTHER)
    (new / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "simulated"}))
    with pytest.raises(CohortIdentityError, match="key is public"):
        _take(source, new, tmp_path)


def test_a_full_disk_is_one_line(
    source: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(intake_copy, "deidentify_file", full)
    with pytest.raises(TakeInError, match=r"No space left on device.*free disk space"):
        _take(source, cohort, tmp_path)


def test_the_command_says_what_it_made_of_identities(source: Path, tmp_path: Path) -> None:
    home, new = tmp_path / "home", tmp_path / "new"
    done = osteogate("ingest", source, new, home=home)
    assert done.returncode == 0, done.stderr
    assert "copied: 8 (de-identified)" in done.stdout
    assert f"next: osteogate validate {new}" in done.stdout, "the exams came along"
    assert PATIENT not in done.stdout + done.stderr
    refused = osteogate("ingest", source, new, "--keep-originals", home=home)
    assert refused.returncode == 3
    assert "names nobody" in one_line(refused)


@pytest.mark.real_ct
def test_a_real_series_is_taken_in_with_its_pixels_and_without_its_date(
    real_data: Callable[[str], Path], cohort: Path, tmp_path: Path
) -> None:
    folder = real_data("ge_discovery_ls_lumbar") / "dicom"
    taken = _take(folder, cohort, tmp_path)
    assert (taken.copied, taken.series) == (99, 1)
    (before,), (after,) = scan_folder(folder).series, scan_folder(cohort / "series").series
    np.testing.assert_array_equal(read_volume(after).hu, read_volume(before).hu)
    np.testing.assert_array_equal(read_volume(after).affine, read_volume(before).affine)
    assert after.files[0].study_date != before.files[0].study_date
    assert after.files[0].kernel == before.files[0].kernel
