"""A disk that is full while a source is taken in or copied, and while a log is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from components.ingest_dicom.deidentify.run import CopyWriteError, deidentify_folder
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scratch import ScratchError
from components.ingest_dicom.source import Source, open_source
from models.errors import InputError, OsteoGateError
from pipelines.own_cohort import write_template
from pipelines.take_in import TakeInError, take_in
from tests.command_line import ROOT
from tests.dicom_factory import make_series
from tests.faults.test_full_disk import full_disk

HASH = Pseudonymiser(b"a key of these tests, not secret")
PARAMS = IngestParams(workers=1)
ROOM = 1000  # bytes of one file; an image of these tests has 1,800


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_series(tmp_path / "study", slices=4)
    return tmp_path / "study"


def disk(home: Path) -> AbstractContextManager[None]:
    """Full, until there is room."""
    return full_disk(1 << 30 if (home / "room").exists() else ROOM)


def unpack(study: Path, home: Path) -> int:
    packed = Path(shutil.make_archive(str(home / "packed"), "zip", study))
    source = Source(str(packed))
    with disk(home), open_source(source, scratch=home / "scratch", params=PARAMS) as opened:
        return opened.scan(workers=1).file_count


def take(study: Path, home: Path) -> int:
    write_template(home / "cohort") if not (home / "cohort").exists() else None
    with disk(home):
        done = take_in(
            Source(str(study)),
            home / "cohort",
            pseudonymiser=HASH,
            params=PARAMS,
            home=home,
            progress=lambda *_: None,
        )
    return done.copied


def copy(study: Path, home: Path) -> int:
    with disk(home):
        return deidentify_folder(study, home / "copy", HASH).dicom_copied


@pytest.mark.parametrize(
    ("step", "error"), [(unpack, ScratchError), (take, TakeInError), (copy, CopyWriteError)]
)
def test_one_line_and_later_everything(
    study: Path, tmp_path: Path, step: Callable[[Path, Path], int], error: type[OsteoGateError]
) -> None:
    """The system's own limit on the size of a file: every write beyond it fails, whoever makes it."""
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(error) as caught:
        step(study, home)
    line = str(caught.value)
    assert "\n" not in line
    assert "free disk space" in line
    assert not isinstance(caught.value, InputError)  # the input is sound
    written = [path for path in home.rglob("*.dcm") if path.is_file()]
    assert written == [], "half an image"
    (home / "room").touch()
    assert step(study, home) == 4


def test_a_log_that_cannot_be_written_does_not_end_the_work(study: Path, tmp_path: Path) -> None:
    """/dev/full takes nothing: the answer to every write is ENOSPC."""
    write_template(tmp_path / "cohort")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli.main", "ingest", str(study), str(tmp_path / "cohort")],
            env={**os.environ, "OSTEOGATE_HOME": f"{tmp_path}/home", "OSTEOGATE_LOG": "info", "PYTHONPATH": f"{ROOT}"},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True, timeout=240, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert "4" in done.stdout
    assert len([path for path in (tmp_path / "cohort" / "series").rglob("*") if path.is_file()]) == 4


TMPFS = """
mount -t tmpfs -o size=512k none "$1" && cd "$2" && exec "$3" -c '
import sys
from pathlib import Path
from components.ingest_dicom import run as ingest
from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from models.errors import OsteoGateError
full, study, key = Path(sys.argv[1]), Path(sys.argv[2]), b"a key of these tests, not secret"
(full / "ballast").write_bytes(bytes(440 << 10))
for step in (
    lambda: deidentify_folder(study, full / "copy", Pseudonymiser(key)).dicom_copied,
    lambda: ingest.run(data=study, out=full / "intake", key=key, params=IngestParams(workers=1)).file_count,
):
    try:
        print("DONE", step())
    except OsteoGateError as error:
        print("LINE", error)
    (full / "ballast").unlink()
    print("ROOM", step())
    with (full / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
' "$1" "$4"
"""


@pytest.mark.long
def test_a_small_file_system_that_fills_up(tmp_path: Path) -> None:
    """ENOSPC itself, on half a megabyte of tmpfs in a name space of its own; with room again, the same command."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here (unshare -rm)")
    make_series(tmp_path / "study", slices=40)
    (tmp_path / "full").mkdir()
    words = (tmp_path / "full", ROOT, sys.executable, tmp_path / "study")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", TMPFS, "sh", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.split(" ")[0] in ("LINE", "ROOM", "DONE")]
    assert [line.split(" ")[0] for line in said] == ["LINE", "ROOM", "LINE", "ROOM"]
    assert all("No space left on device" in line and "free disk space" in line for line in said[::2])
    assert said[1::2] == ["ROOM 40", "ROOM 40"]
