"""Damaged files through the intake: none may crash it, hang it, take its memory, or vanish without a code.

Some hundred cases in `make test`, `OSTEOGATE_FUZZ_COUNT` (20,000 by default) in `make test-all`, which writes what
came of them to docs/benchmarks/fuzz.md. A case is its seed and number: `python -m tests.fuzz SEED NUMBER` runs one.
"""

from __future__ import annotations

import os
import random
import zlib
from pathlib import Path

import pytest

from tests.fuzz.campaign import Report, run_campaign, write_report
from tests.fuzz.corpus import REAL, load_corpus, real_data, write_corpus
from tests.fuzz.mutations import MUTATIONS, bomb, mutate, mutate_pixels

ROOT = Path(__file__).resolve().parents[2]
COUNT_QUICK = 300
COUNT_LONG = int(os.environ.get("OSTEOGATE_FUZZ_COUNT", "20000"))
SEED = os.environ.get("OSTEOGATE_FUZZ_SEED", "20261123")


def assert_every_promise_held(report: Report, count: int) -> None:
    assert report.broken == [], "\n".join(map(str, report.broken[:20]))
    assert report.count == count
    assert report.results["read"] > 0.1 * count, "damage so heavy that nothing is read tests too little"
    assert report.results["refused"] > 0.1 * count


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Factory files, and where the real ones are there, one file of every kind."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, real=real_data(), archives=("header_zoo",))
    return folder


def test_some_hundred_damaged_files(small_corpus: Path) -> None:
    assert_every_promise_held(run_campaign(small_corpus, seed=SEED, count=COUNT_QUICK), COUNT_QUICK)


@pytest.mark.long
@pytest.mark.real_ct
@pytest.mark.timeout(4 * 3600)
def test_twenty_thousand_damaged_files(tmp_path: Path) -> None:
    real = real_data()
    if real is None:
        pytest.skip("real data absent (set OSTEOGATE_REAL_DATA)")
    write_corpus(tmp_path / "corpus", real=real)
    report = run_campaign(tmp_path / "corpus", seed=SEED, count=COUNT_LONG, workers=os.cpu_count() or 1)
    write_report(
        report,
        ROOT / "docs" / "benchmarks" / "fuzz.md",
        corpus=", ".join(sorted(REAL)) + " and factory files",
    )
    assert_every_promise_held(report, COUNT_LONG)


def test_damage_is_the_same_for_the_same_seed_and_does_something(small_corpus: Path) -> None:
    singles, _ = load_corpus(small_corpus)
    changed = 0
    for number in range(60):
        base = singles[number % len(singles)]
        first, second = (mutate(random.Random(number), base) for _ in range(2))
        assert first == second
        changed += first[1] != base.packed(base.blob)
    assert changed > 50


def test_every_kind_of_damage_changes_some_file(small_corpus: Path) -> None:
    singles, _ = load_corpus(small_corpus)
    rng = random.Random(1)
    for name, mutation in MUTATIONS.items():
        assert any(mutation(rng, base, base.blob) != base.blob for base in singles for _ in range(3)), name


def test_damage_to_pixels_stays_in_the_pixels(small_corpus: Path) -> None:
    base = next(base for base in load_corpus(small_corpus)[0] if base.name == "factory-explicit")
    assert base.pixels is not None
    blob = mutate_pixels(random.Random(3), base)
    assert len(blob) == len(base.blob)
    assert blob != base.blob
    assert blob[: base.pixels.value] == base.blob[: base.pixels.value]


def test_the_guards_see_a_crash_a_hang_memory_and_a_dead_process(small_corpus: Path) -> None:
    """The same workers, with the intake spoilt: a harness that sees nothing proves nothing."""
    report = run_campaign(small_corpus, seed=SEED, count=4, spoil=True)
    assert {outcome.number: outcome.result for outcome in report.broken} == {
        0: "crash", 1: "memory", 2: "hang", 3: "crash",
    }  # fmt: skip
    assert report.count == 4


def test_a_bomb_is_small_and_sound_at_its_start(small_corpus: Path) -> None:
    base = next(base for base in load_corpus(small_corpus)[0] if base.name == "factory-deflated")
    packed = bomb(base, base.blob, 50, 0x7FFFFFFE)
    assert len(packed) < 1 << 20
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed[base.head :])
    assert len(inflated) > 50 << 20
    assert inflated.startswith(base.blob[base.head : base.head + 8])
