"""`osteogate ingest` and `predict` with a source: each image once, everything counted, one line when it cannot be."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.source import Source
from pipelines.own_cohort import write_template
from pipelines.take_in import TakeInError, TakenIn, take_in
from tests.command_line import one_line, osteogate
from tests.components.prepare_vertebrae.level_objects import write_rtstruct
from tests.dicom_factory import make_segmentation, make_series, series_uid

HASH = Pseudonymiser(SIMULATED_KEY)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "DOE JANE"
    make_series(folder / "ct", slices=4, patient_id="DOE-1")
    make_segmentation(folder / "seg.dcm")
    (folder / "report of Jane Doe.txt").write_text("not DICOM")
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    write_template(tmp_path / "cohort")
    return tmp_path / "cohort"


def _take(source: Path, cohort: Path, tmp_path: Path) -> TakenIn:
    """Originals, as they are; copies without patients: test_ingest_deidentified."""
    return take_in(
        Source(str(source)),
        cohort,
        pseudonymiser=HASH,
        params=IngestParams(workers=1, deidentify=False),
        home=tmp_path / "home",
        progress=lambda *_: None,
    )


def _counts(taken: TakenIn) -> tuple[int, int, dict[str, int]]:
    assert taken.files == taken.copied + taken.already_there + taken.left.total()
    return taken.copied, taken.already_there, dict(taken.left)


def _files(cohort: Path) -> list[str]:
    return sorted(
        path.relative_to(cohort).as_posix() for path in (cohort / "series").rglob("*") if path.is_file()
    )


def test_images_and_level_objects_come_in_under_hashed_names(
    study: Path, cohort: Path, tmp_path: Path
) -> None:
    assert _counts(_take(study, cohort, tmp_path)) == (5, 0, {"NOT_DICOM": 1})
    names = _files(cohort)
    assert len(names) == 5
    assert sum(name.startswith(f"series/{HASH.uid(series_uid(1))}/") for name in names) == 4
    assert "doe" not in "".join(names).lower()
    found = scan_folder(cohort / "series")
    assert [len(series.files) for series in found.series] == [4]
    assert [other.referenced_series for other in found.segmentations] == [(series_uid(1),)]


def test_a_structure_set_comes_in_too(study: Path, cohort: Path, tmp_path: Path) -> None:
    (study / "seg.dcm").unlink()
    write_rtstruct(
        study / "rs.dcm", {"L1": [("POINT", np.zeros((1, 3)))]}, frame_uid="1.2", series_uid=series_uid(1)
    )
    taken = _take(study, cohort, tmp_path)
    assert _counts(taken) == (5, 0, {"NOT_DICOM": 1})
    assert taken.without_levels == 0
    (found,) = scan_folder(cohort / "series").segmentations
    assert (found.kind, found.referenced_series) == ("structure set", (series_uid(1),))


def test_series_without_levels_are_counted_and_the_next_step_is_said(
    study: Path, cohort: Path, tmp_path: Path
) -> None:
    (study / "seg.dcm").unlink()
    make_series(study / "second", series=2, slices=4, patient_id="DOE-2")
    taken = _take(study, cohort, tmp_path)
    assert (taken.series, taken.without_levels) == (2, 2)
    (said,) = [line for line in taken.lines() if "LEVELS_MISSING" in line]
    assert said.startswith("2 of 2 series")
    assert "levels/" in said
    assert "segment.engine" in said
    (cohort / "levels" / "DOE-2.csv").write_text("level,x_mm,y_mm,z_mm\n")
    assert _take(study, cohort, tmp_path).without_levels == 1


def test_the_same_again_from_another_kind_of_source_is_there_already(
    study: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(study, cohort, tmp_path)
    before = _files(cohort)
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", study))
    assert _counts(_take(archive, cohort, tmp_path)) == (0, 5, {"NOT_DICOM": 1})
    for path in (study / "ct").iterdir():  # as another archive writes it: other file meta information
        dataset = dcmread(path)
        dataset.file_meta.ImplementationVersionName = "ANOTHER"
        dataset.save_as(path)
    assert _counts(_take(study, cohort, tmp_path)) == (0, 5, {"NOT_DICOM": 1})
    assert _files(cohort) == before
    assert list((tmp_path / "home" / "scratch").iterdir()) == []


def test_another_image_under_a_taken_uid_is_kept_to_be_judged(
    study: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(study, cohort, tmp_path)
    path = study / "ct" / "IM0001.dcm"
    dataset = dcmread(path)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(path)
    for copied in (1, 0):  # once, however often it comes
        assert _counts(_take(study, cohort, tmp_path)) == (copied, 5 - copied, {"NOT_DICOM": 1})
    assert len(_files(cohort)) == 6


def test_a_run_that_was_killed_is_completed_by_the_next(
    study: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = shutil.copyfile, 0

    def third_is_cut(source: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == 3:
            target.write_bytes(source.read_bytes()[:200])
            raise KeyboardInterrupt
        return Path(real(source, target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", third_is_cut)
        with pytest.raises(KeyboardInterrupt):
            _take(study, cohort, tmp_path)
    assert _counts(_take(study, cohort, tmp_path)) == (3, 2, {"NOT_DICOM": 1})
    assert len(_files(cohort)) == 5
    assert not any(header.truncated for header in scan_folder(cohort / "series").series[0].files)


def test_a_full_disk_is_one_line(
    study: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(TakeInError, match=r"No space left on device.*free disk space"):
        _take(study, cohort, tmp_path)


def test_the_command_makes_the_cohort_and_says_what_became_of_each_file(study: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "gztar", study))
    done = osteogate("ingest", archive, tmp_path / "new", "--json", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "files": 6, "series": 1, "deidentified": True, "copied": 5, "already_there": 0, "left": {"NOT_DICOM": 1},
        "without_levels": 0,
    }  # fmt: skip
    assert (tmp_path / "new" / "dxa.csv").is_file()
    assert "DOE" not in done.stdout + done.stderr
    again = osteogate("ingest", archive, tmp_path / "new", home=tmp_path / "home")
    assert "there already: 5" in again.stdout
    assert f"osteogate validate {tmp_path / 'new'}" in again.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere.zip",), 3, "EMPTY_INPUT"),
        (("http://127.0.0.1:9/dicom-web",), 2, "--query"),
        (("http://127.0.0.1:9/dicom-web", "--query", "DOE^JANE"), 2, "KEYWORD=VALUE"),
        ((".", "--query", "PatientID=1"), 2, "--query and --login are for a DICOMweb server"),
        (
            ("http://127.0.0.1:9/dicom-web", "--query", "PatientID=1", "--login", "nowhere"),
            3,
            "nowhere: cannot be read",
        ),
        (("http://127.0.0.1:9/dicom-web", "--query", "PatientID=1"), 5, "no answer"),
    ],
)
def test_what_cannot_be_is_one_line(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    done = osteogate("ingest", words[0], tmp_path / "new", *words[1:], home=tmp_path / "home")
    assert done.returncode == code, done.stderr
    assert said in one_line(done)
    assert "DOE" not in done.stderr


def test_predict_takes_an_archive_and_says_why_its_members_are_left(tmp_path: Path) -> None:
    archive = tmp_path / "links.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../evil", b"x")
    done = osteogate("predict", archive, "--json", home=tmp_path / "home")
    assert done.returncode == 3, done.stderr
    assert [item["code"] for item in json.loads(done.stdout)["refusals"]] == ["PATH_UNSAFE"]
    study = tmp_path / "study"
    make_series(study, slices=4)
    done = osteogate(
        "predict", shutil.make_archive(str(tmp_path / "s"), "xztar", study), "--json", home=tmp_path / "home"
    )
    assert done.returncode == 3, done.stderr
    assert "LEVELS_MISSING" in {item["code"] for item in json.loads(done.stdout)["refusals"]}
    assert list((tmp_path / "home" / "scratch").iterdir()) == []
