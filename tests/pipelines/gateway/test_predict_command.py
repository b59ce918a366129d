"""`osteogate predict` as a program calls it: exit codes, pure JSON, and the figure in any case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.pipelines.gateway.synthetic_study import Site

ROOT = Path(__file__).resolve().parents[3]


def osteogate(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", "predict", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OSTEOGATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_triton_it_exits_5_and_the_figure_is_there(site: Site, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    done = osteogate(tmp_path, site.folder, "--levels", site.levels, "--figure", figure, "--json")
    assert done.returncode == 5, done.stderr
    assert "osteogate serve start" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert figure.stat().st_size > 10_000


def test_a_refusal_exits_3_with_its_codes_as_pure_json(site: Site, tmp_path: Path) -> None:
    done = osteogate(tmp_path, site.nifti, "--json")
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["answer"] == "refused"
    assert {item["code"] for item in document["refusals"]} == {"KVP_MISSING", "LEVELS_MISSING"}
    assert document["series_decisions"] == []  # of a NIfTI there is nothing to choose
    assert "LEVELS_MISSING" in done.stderr
