"""The command line as a user has it: another process, what it said, and the smallest scan and exam that it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVELS_Z_MM = {"L1": -156.0, "L2": -192.0, "L3": -228.0, "L4": -264.0}
# a CT of 80 x 80 x 180 mm around these levels, and an exam five days after it
CT = {"slices": 60, "rows": 80, "columns": 80, "pixel_spacing_mm": (1.0, 1.0), "origin_mm": (-40, -40, -300)}
EXAM = {
    "exam_date": "2024-01-20", "device": "Hologic Horizon A", "sex": "F", "age_years": "63",
    "height_cm": "165", "weight_kg": "65", "bmd_l1_l4_g_cm2": "0.95", "tbs_l1_l4": "1.30",
    **{f"bmd_l{n}_g_cm2": "0.95" for n in range(1, 5)}, **{f"tbs_l{n}": "1.30" for n in range(1, 5)},
    **{f"invalid_l{n}": "0" for n in range(1, 5)},
}  # fmt: skip


def osteogate(
    *words: object, home: Path, root: Path = ROOT, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    return python(
        "-m", "pipelines.cli.main", *words, timeout_s=timeout_s, OSTEOGATE_ROOT=root, OSTEOGATE_HOME=home
    )


def python(*words: object, timeout_s: float = 120, **environment: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr + done.stdout
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = error_lines(done)
    assert len(lines) == 1, done.stderr
    return lines[0]
