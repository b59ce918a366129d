"""Corpora for the tests of the fuzz and by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.corpus import real_data, write_corpus
from tests.fuzz.other_sources import write_other_sources


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Factory files, and where the real ones are there, one file of every kind."""
    folder = tmp_path_factory.mktemp("fuzz") / "corpus"
    write_corpus(folder, real=real_data(), archives=("header_zoo",))
    write_other_sources(folder, real=None)
    return folder
