"""Does the fuzz see what it is there to see? The intake, spoilt on purpose, in each way it must not be."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

import components.ingest_dicom.pixels as pixels
import components.ingest_dicom.pydicom_header as pydicom_header
import components.ingest_dicom.read_header as read_header
import components.ingest_dicom.scan as scan
import tests.fuzz.one_case as one_case
from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.quick_header import QuickValues
from components.ingest_dicom.values import Values
from models.refusal import Code
from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import load_corpus
from tests.fuzz.mutations import MUTATIONS, mutate
from tests.fuzz.one_case import Corpus, Intake, Outcome, run_case
from tests.fuzz.pixel_values import mutate_pixels
from tests.fuzz.stream_damage import bomb

Results = Callable[[str, int], list[Outcome]]


@pytest.fixture(scope="session")
def corpus(small_corpus: Path) -> Corpus:
    return Corpus.load(small_corpus)


@pytest.fixture
def results(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Outcomes of the first cases of a kind: `pixel`, `file`, `door`, `series`."""
    intake = Intake.load()

    def run(kind: str, count: int) -> list[Outcome]:
        for name in ("PIXEL", "DOOR", "SERIES"):
            monkeypatch.setattr(one_case, f"{name}_SHARE", float(kind.upper() == name))
        return [
            run_case(corpus, tmp_path / "case", "harness", number, intake) for number in range(1, count + 1)
        ]

    return run


def kinds(outcomes: list[Outcome]) -> set[str]:
    return {outcome.result for outcome in outcomes}


def test_sound_code_breaks_no_promise(results: Results) -> None:
    for kind in ("pixel", "file", "door", "series"):
        assert kinds(results(kind, 6)) <= {"read", "refused"}, kind


def test_one_hu_too_many_is_wrong(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pixels.to_hu
    monkeypatch.setattr(pixels, "to_hu", lambda *rest: plain(*rest) + np.int16(1))
    assert kinds(results("pixel", 4)) == {"wrong"}


def test_sound_pixels_refused_are_wrong(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def truncated(path: Path) -> Header | OtherFile:
        found = read_header.read_header(path)
        return replace(found, truncated=True) if isinstance(found, Header) else found

    monkeypatch.setattr("components.ingest_dicom.read_headers.read_header", truncated)
    assert "wrong" in kinds(results("pixel", 6))


def test_a_quick_reader_that_misreads_is_wrong(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_header.quick_values

    def misread(file: BinaryIO) -> tuple[Values, Values] | None:
        found = plain(file)
        return found and (QuickValues({**found[0]._found, "KVP": "99"}), found[1])

    monkeypatch.setattr(read_header, "quick_values", misread)
    found = results("file", 20)
    assert "wrong" in kinds(found)
    assert any("kvp" in outcome.detail for outcome in found)


def test_a_file_that_vanishes_is_lost(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = scan.read_headers
    monkeypatch.setattr(scan, "read_headers", lambda paths, **more: plain(paths, **more)[1:])
    assert "lost" in kinds(results("series", 3))


def test_a_memory_error_that_is_answered_with_a_code_is_memory_all_the_same(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory is not limited, that file would take it."""

    def greedy(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(read_header, "quick_header", lambda path: None)
    monkeypatch.setattr(pydicom_header, "ends_early", greedy)
    assert "memory" in kinds(results("file", 3))


def test_neither_read_nor_a_code_is_uncoded(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_case, "CODES", one_case.CODES - {Code.NOT_DICOM.value})
    monkeypatch.setattr(
        "components.ingest_dicom.read_headers.read_header",
        lambda path: OtherFile(path, Code.NOT_DICOM, "file", "no code of the enumeration"),
    )
    assert "uncoded" in kinds(results("file", 2))


def test_the_guards_see_a_crash_a_hang_memory_and_a_dead_process(small_corpus: Path) -> None:
    """The same workers as a campaign's."""
    report = run_campaign(small_corpus, seed="harness", count=4, spoil=True)
    assert {outcome.number: outcome.result for outcome in report.broken} == {
        0: "crash", 1: "memory", 2: "hang", 3: "crash",
    }  # fmt: skip
    assert report.count == 4


# ------------------------------------------------------------------------------------------ the damage itself


def test_damage_is_the_same_for_the_same_seed_and_does_something(corpus: Corpus) -> None:
    changed = 0
    for number in range(60):
        base = corpus.singles[number % len(corpus.singles)]
        first, second = (mutate(random.Random(number), base) for _ in range(2))
        assert first == second
        changed += first[1] != base.packed(base.blob)
    assert changed > 50


def test_every_kind_of_damage_changes_some_file(corpus: Corpus) -> None:
    rng = random.Random(1)
    for name, mutation in MUTATIONS.items():
        assert any(
            mutation(rng, base, base.blob) != base.blob for base in corpus.singles for _ in range(3)
        ), name


def test_other_pixels_leave_everything_else_as_it_was(corpus: Corpus) -> None:
    base = next(base for base in corpus.singles if base.name == "factory-explicit")
    assert base.pixels is not None
    case = mutate_pixels(random.Random(3), base)
    assert len(case.raw) == len(base.blob)
    assert case.raw != base.blob
    assert case.raw[: base.pixels.value] == base.blob[: base.pixels.value]


def test_each_way_of_storing_pixels_is_damaged_and_read(corpus: Corpus) -> None:
    assert {"factory-big", "factory-deflated", "factory-rle"} <= {base.name for base in corpus.pixel_bases}
    assert sum("multi-frame" in base.name for base in corpus.pixel_bases) == 4


def test_a_bomb_is_small_and_sound_at_its_start(small_corpus: Path) -> None:
    base = next(base for base in load_corpus(small_corpus)[0] if base.name == "factory-deflated")
    packed = bomb(base, base.blob, 50, 0x7FFFFFFE)
    assert len(packed) < 1 << 20
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed[base.head :])
    assert len(inflated) > 50 << 20
    assert inflated.startswith(base.blob[base.head : base.head + 8])
