"""A cohort's folder is whole or not there, and an interruption loses only what the same recipe would not keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.simulate_cohort.cohort_folder import (
    CohortExistsError,
    CohortWriteError,
    refuse_target,
    whole_folder,
)
from models.alone_in import FolderBusyError


def interrupted(out: Path, recipe: str) -> None:
    def write() -> None:
        with whole_folder(out, patients=3, seed=7, recipe=recipe) as work:
            (work / "kept.txt").write_text("of " + recipe)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()


def test_the_same_recipe_goes_on_and_another_starts_anew(tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    interrupted(out, "a")
    assert [path.name for path in tmp_path.iterdir()] == [".cohort.7-3.partial"]
    with whole_folder(out, patients=3, seed=7, recipe="a") as work:
        assert (work / "kept.txt").read_text() == "of a"
    assert [path.name for path in out.iterdir()] == ["kept.txt"]
    interrupted(out, "b")
    with whole_folder(out, patients=3, seed=7, recipe="c") as work:
        assert not (work / "kept.txt").exists()
    assert list(tmp_path.iterdir()) == [out]  # nothing beside it, neither the partial nor the replaced folder
    assert not list(out.iterdir())


def test_a_full_disk_leaves_the_old_folder_and_says_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    out.mkdir()
    (out / "cohort.json").write_text("old")
    with (
        pytest.raises(CohortWriteError, match=r"No space left.*free disk space, run again"),
        whole_folder(out, patients=3, seed=7, recipe="a"),
    ):
        raise OSError(28, "No space left on device")
    assert (out / "cohort.json").read_text() == "old"


def test_what_is_no_full_disk_is_not_called_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CohortWriteError, match=r"Not a directory\); name a folder that can be written"),
        whole_folder(tmp_path / "file" / "cohort", patients=3, seed=7, recipe="a"),
    ):
        pass


def test_a_second_run_in_the_folder_waits_or_goes_elsewhere(tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    with whole_folder(out, patients=3, seed=7, recipe="a") as work:
        (work / "kept.txt").write_text("of the first")
        with (
            pytest.raises(FolderBusyError, match=r"another run is working in .*\.cohort\.7-3\.partial; wait"),
            whole_folder(out, patients=3, seed=7, recipe="b"),
        ):
            pass
    assert [path.name for path in out.iterdir()] == ["kept.txt"]
    with whole_folder(out, patients=3, seed=7, recipe="b"):
        pass
    assert not list(out.iterdir())


def test_only_an_empty_folder_or_a_cohort_to_overwrite_is_a_target(tmp_path: Path) -> None:
    refuse_target(tmp_path / "new", overwrite=False)
    refuse_target(tmp_path, overwrite=False)
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CohortExistsError, match="is no folder"):
        refuse_target(tmp_path / "mine.txt", overwrite=True)
    with pytest.raises(CohortExistsError, match="not empty"):
        refuse_target(tmp_path, overwrite=False)
    with pytest.raises(CohortExistsError, match="holds no cohort"):
        refuse_target(tmp_path, overwrite=True, document="cohort.json")
    (tmp_path / "cohort.json").write_text("{}")
    refuse_target(tmp_path, overwrite=True, document="cohort.json")
