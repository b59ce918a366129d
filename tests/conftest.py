"""Fixtures shared by all rooms: real scans, and the rule that nothing is skipped where all is required."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpacked folder of one archive of real data; the test is skipped where the data are absent."""
    source = Path(os.environ.get("OSTEOGATE_REAL_DATA", ROOT.parent / "shared" / "data"))
    unpacked: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in unpacked:
            archive = source / f"{name}.tar.xz"
            if not archive.is_file():
                pytest.skip(f"real data absent: {name}.tar.xz is not in {source} (set OSTEOGATE_REAL_DATA)")
            target = tmp_path_factory.mktemp("real")
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
            unpacked[name] = target / name
        return unpacked[name]

    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """With OSTEOGATE_REQUIRE_ALL=1 a skipped test fails."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("OSTEOGATE_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped under OSTEOGATE_REQUIRE_ALL=1: {report.longrepr}"
