"""kill -9 while a source is taken in or copied, and then the same command again: nothing lost, nothing double."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import components.ingest_dicom.archive as archive
import components.ingest_dicom.dicomweb as dicomweb
from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import ScanResult
from components.ingest_dicom.source import Source, open_source
from pipelines import intake_copy
from pipelines.own_cohort import write_template
from pipelines.take_in import take_in
from tests.dicom_factory import make_segmentation, make_series
from tests.faults.test_killed import kill_9, killed
from tests.integration.orthanc_place import LOGIN, Orthanc, running_orthanc, why_absent

HASH = Pseudonymiser(b"a key of these tests, not secret")
PARAMS = IngestParams(workers=1)
SLICES = 6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources") / "study"
    make_series(folder / "ct", slices=SLICES)
    make_series(folder / "thin", slices=SLICES, series=2)
    make_segmentation(folder / "seg.dcm")
    (folder / "readme.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def zipped(study: Path) -> Path:
    return Path(shutil.make_archive(str(study.with_name("zipped")), "zip", study))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def at_call(owner: object, name: str, number: int) -> None:
    """From the n-th call of `owner.name` on, this process is dead: in the middle of it, half its work done."""
    plain: Callable[..., object] = getattr(owner, name)
    seen = [0]

    def call(*rest: object, **named: object) -> object:
        seen[0] += 1
        if seen[0] == number:
            kill_9()
        return plain(*rest, **named)

    setattr(owner, name, call)


def at_rename_to(place: Path) -> None:
    """This process dies when anything is about to be called `place`."""
    for name in ("replace", "rename"):
        plain = getattr(Path, name)
        setattr(
            Path, name, lambda path, target, plain=plain: kill_9() if target == place else plain(path, target)
        )


def take(source: Path, home: Path) -> tuple[int, int, dict[str, int]]:
    """What `osteogate ingest` does."""
    write_template(home / "cohort") if not (home / "cohort").exists() else None
    done = take_in(
        Source(str(source)),
        home / "cohort",
        pseudonymiser=HASH,
        params=PARAMS,
        home=home,
        progress=lambda *_: None,
    )
    assert done.files == done.copied + done.already_there + done.left.total()
    return done.copied, done.already_there, dict(done.left)


@pytest.mark.parametrize("when", ["while it unpacks", "while it copies"])
def test_ingest_of_an_archive(study: Path, zipped: Path, tmp_path: Path, when: str) -> None:
    whole, home = tmp_path / "whole", tmp_path / "home"
    assert take(zipped, whole) == (2 * SLICES + 1, 0, {"NOT_DICOM": 1})

    def step() -> None:
        at_call(*((archive, "_write") if when == "while it unpacks" else (intake_copy, "deidentify_file")), 5)
        take(zipped, home)

    killed(step)
    left = list((home / "scratch").glob("source-*"))
    assert len(left) == 1, "what was unpacked when it was killed"
    os.utime(left[0], (0, 0))  # a minute later
    copied = 0 if when == "while it unpacks" else 4
    assert take(zipped, home) == (2 * SLICES + 1 - copied, copied, {"NOT_DICOM": 1})
    assert content(home / "cohort") == content(whole / "cohort")
    assert list((home / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    "when", ["between two files", "before a file has its name", "before the copy has its name"]
)
def test_a_de_identified_copy(study: Path, tmp_path: Path, when: str) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    deidentify_folder(study, whole, HASH)

    def step() -> None:
        if when == "before a file has its name":
            at_call(Path, "replace", 5)
        if when == "before the copy has its name":
            at_rename_to(out)
        progress = (lambda done, _: kill_9() if done == 5 else None) if when == "between two files" else None
        deidentify_folder(study, out, HASH, progress=progress)

    killed(step)
    assert not out.exists(), "a copy that is not whole is not there"
    done = deidentify_folder(study, out, HASH)
    assert (done.resumed > 0) == (when != "before the copy has its name")  # the journal is gone by then
    assert done.files_read == done.dicom_copied + done.tables_copied + done.files_refused == 2 * SLICES + 2
    assert content(out) == content(whole)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture(scope="module")
def orthanc(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if absent := why_absent():
        pytest.skip(absent)
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        server.store(path for path in study.rglob("*") if path.suffix == ".dcm")
        yield server


def retrieve(server: Orthanc, folder: Path) -> ScanResult:
    source = Source(server.url, {"PatientID": "TEST-001"}, LOGIN)
    with open_source(source, scratch=folder / "scratch", params=PARAMS, keep=folder / "keep") as opened:
        return opened.scan(workers=1)


@pytest.mark.integration
@pytest.mark.parametrize("owner", ["instance", "name"])
def test_retrieval_from_a_dicomweb_server(orthanc: Orthanc, tmp_path: Path, owner: str) -> None:
    """Before the fifth instance is written, and when it is written and has not its name yet."""
    expected = retrieve(orthanc, tmp_path / "whole")
    keep = tmp_path / "again" / "keep"

    def step() -> None:
        at_call(*((dicomweb, "_write") if owner == "instance" else (Path, "replace")), 5)
        retrieve(orthanc, tmp_path / "again")

    killed(step)
    there = {name: (keep / name).stat().st_mtime_ns for name in content(keep) if ".partial" not in name}
    assert len(there) == 4
    found = retrieve(orthanc, tmp_path / "again")
    assert found.file_count == expected.file_count == 2 * SLICES + 1
    assert content(keep) == content(tmp_path / "whole" / "keep")
    assert {name: (keep / name).stat().st_mtime_ns for name in there} == there, "brought twice"
