"""Judging a cohort removes what an earlier evaluation left in its folder, and nothing of anybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.labelled_data import (
    MARKER,
    EvaluationTargetError,
    LabelledDataWriteError,
    _open,
    require_labelled,
)


def test_only_an_evaluations_own_folders_are_emptied(tmp_path: Path) -> None:
    mine = tmp_path / "prepared" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(EvaluationTargetError, match=r"holds prepared, of no evaluation.*new folder"):
        _open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    assert mine.read_text() == "mine"
    work = tmp_path / "new"
    _open(work)
    (work / "intake").mkdir()
    (work / "notes.txt").write_text("mine")
    _open(work)
    assert sorted(path.name for path in work.iterdir()) == [MARKER, "notes.txt"]
    (work / "intake").mkdir()
    (work / MARKER).replace(work / "report.json")  # of a version without the mark
    _open(work)
    assert not (work / "intake").exists()


def test_a_place_that_cannot_be_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabelledDataWriteError, match=r"Not a directory\); name a folder that can be written"):
        _open(tmp_path / "file" / "out")


def test_a_store_is_found_in_the_folder_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "store.json").write_text("{}")
    assert require_labelled(tmp_path) == require_labelled(tmp_path / "crops") == tmp_path / "crops"
