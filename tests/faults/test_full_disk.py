"""A disk that is full when a file is written: one clear error, and the earlier result stays, whole and alone."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import components.ingest_dicom.run
import components.prepare_vertebrae.reports
import components.validate_dicom.result_folder
import models.crop_store
from models.errors import InputError, OsteoGateError
from tests.faults.small_batch import Batch

INGEST, VALIDATE, PREPARE = (
    components.ingest_dicom.run,
    components.validate_dicom.result_folder,
    components.prepare_vertebrae.reports,
)


@contextmanager
def full_disk(room: int = 16) -> Iterator[None]:
    """No file may grow beyond `room` bytes: the system's answer is EFBIG, as ENOSPC an OSError of any write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def full_from(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[str]:
    """The disk is full while `owner.name` runs; returns the calls, which a test looks at to know that it ran."""
    plain: Callable[..., Any] = getattr(owner, name)
    calls: list[str] = []

    def limited(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        with full_disk():
            return plain(*arguments, **named)

    monkeypatch.setattr(owner, name, limited)
    return calls


def assert_refused_and_kept(step: Callable[[], None], out: Path, calls: list[str]) -> None:
    before = content(out)
    with pytest.raises(OsteoGateError) as caught:
        step()
    assert calls
    assert not isinstance(caught.value, InputError)  # the input is sound
    line = str(caught.value)
    assert "\n" not in line
    assert "not written" in line
    assert "free disk space" in line
    assert content(out) == before
    assert [path for path in out.rglob(".*") if "data_docs" not in str(path)] == []


@pytest.mark.parametrize(
    "writer", ["write_series_table", "write_others_table", "write_locations", "write_manifest"]
)
def test_ingest(again: Batch, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = full_from(monkeypatch, INGEST, writer)
    assert_refused_and_kept(again.ingest, again.out, calls)


@pytest.mark.parametrize("writer", ["write_table", "make_offline"])
def test_validate(again: Batch, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = full_from(monkeypatch, VALIDATE, writer)
    assert_refused_and_kept(again.validate, again.out, calls)


def test_validate_while_great_expectations_writes_its_pages(
    again: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = full_from(monkeypatch, VALIDATE.Validation, "write_data_docs")
    assert_refused_and_kept(again.validate, again.out, calls)


@pytest.mark.parametrize("name", ["summary.html", "manifest.json"])
def test_validate_while_a_page_or_the_manifest_is_written(
    again: Batch, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    plain = Path.write_text

    def limited(path: Path, *arguments: Any, **named: Any) -> int:
        if path.name != name:
            return plain(path, *arguments, **named)
        calls.append(name)
        with full_disk():
            return plain(path, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", limited)
    assert_refused_and_kept(again.validate, again.out, calls)


def test_prepare_while_a_crop_is_added(again: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = full_from(monkeypatch, models.crop_store.CropStoreWriter, "add")
    assert_refused_and_kept(again.prepare, again.out, calls)


def test_prepare_while_the_store_is_finished(again: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = full_from(monkeypatch, models.crop_store.CropStoreWriter, "_finish")
    assert_refused_and_kept(again.prepare, again.out, calls)


@pytest.mark.parametrize(
    "name", ["refused.parquet", "flagged.parquet", "statistics.parquet", "contact_sheet.png", "manifest.json"]
)
def test_prepare_while_a_report_is_written(again: Batch, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    plain = PREPARE._replace

    def limited(path: Path, document: bytes) -> None:
        if path.name != name:
            return plain(path, document)
        calls.append(name)
        with full_disk():
            return plain(path, document)

    monkeypatch.setattr(PREPARE, "_replace", limited)
    with pytest.raises(OsteoGateError, match=r"not written .* free disk space"):
        again.prepare()
    assert calls == [name]
    assert list((again.out / "prepared").rglob(".*")) == []
