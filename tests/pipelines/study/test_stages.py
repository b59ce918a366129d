"""A stage replaces a stage of other parts and goes on from its own; what is not a study's is left alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.alone_in import FolderBusyError
from pipelines.study.stages import (
    StudyFolderError,
    StudyWriteError,
    refuse_foreign_stages,
    stage,
    study_folder,
)


def _write(name: str) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        (folder / name).write_text(name)

    return work


def test_a_stage_is_kept_replaced_by_other_parts_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert stage(folder, "a", _write("one"))
    assert not stage(folder, "a", _write("two"))
    assert stage(folder, "b", _write("two"))
    assert sorted(path.name for path in folder.iterdir()) == ["stage.json", "two"]

    def interrupted(folder: Path) -> None:
        (folder / "part").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(folder, "c", interrupted)
    assert sorted(path.name for path in folder.iterdir()) == ["begun.json", "part"]
    assert stage(folder, "c", _write("three"))
    assert sorted(path.name for path in folder.iterdir()) == ["part", "stage.json", "three"]


def test_what_no_study_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vendors" / "GE" / "training").mkdir(parents=True)
    refuse_foreign_stages(tmp_path)
    mine = tmp_path / "vendors" / "GE" / "training" / "notes.txt"
    mine.write_text("mine")
    with pytest.raises(StudyFolderError, match=r"training: holds what no study wrote.*another folder"):
        refuse_foreign_stages(tmp_path)
    with pytest.raises(StudyFolderError):
        stage(mine.parent, "a", _write("one"))
    with pytest.raises(StudyFolderError):
        stage(mine, "a", _write("one"))
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, r"No space left on device\); free disk space"),
        (errno.ENOTDIR, r"Not a directory\); name a folder that can be written"),
    ],
)
def test_a_full_disk_is_said_only_when_it_is_one(tmp_path: Path, code: int, said: str) -> None:
    def fails(_: Path) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(StudyWriteError, match=said):
        stage(tmp_path / "model", "a", fails)


def test_one_run_at_a_time_in_a_study(tmp_path: Path) -> None:
    with study_folder(tmp_path / "study"), pytest.raises(FolderBusyError), study_folder(tmp_path / "study"):
        pass
    with study_folder(tmp_path / "study"):
        pass
