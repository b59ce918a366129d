"""The benchmark runs and writes its report; no time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.train_params import AugmentationParams, TrainParams
from tests.benchmarks.training_speed import large_store, main, measure, write_report

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_the_report_holds_both_speeds_their_ratio_and_memory(tmp_path: Path) -> None:
    store = large_store(tmp_path / "crops", crops=110, pixels=32)
    assert store.hu.shape == (110, 3, 32, 32)
    params = TrainParams(
        arch="resnet18", batch=16, augmentation=AugmentationParams(centre_jitter_mm=3.0, blur_mm=0.5)
    )
    result = measure(store, params, device="cpu", rounds=3, batches=3)
    write_report([result], tmp_path / "report")
    (read,) = json.loads((tmp_path / "report" / "training_speed.json").read_text())
    assert len(read["ratios"]) == 3
    assert sorted(read["ratios"])[1] == read["ratio"]
    for name in ("training_images_per_s", "resident_images_per_s", "peak_process_memory_mb"):
        assert read[name] > 0
    table = (tmp_path / "report" / "training_speed.md").read_text()
    assert "not patients" in table
    assert "| CPU | resnet18 | 32 | 16 |" in table


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here: the benchmark would run")
def test_without_a_gpu_the_gpu_benchmark_says_that_it_is_skipped(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.training_speed", "--gpu", "--out", str(tmp_path / "r")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no CUDA device here: the GPU benchmark is skipped\n")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--store", "nowhere"), 3, "error: nowhere: not a crop store"),
        (("--profile", "nobody's"), 2, "nobody's"),
        (("--batch", "1"), 2, "argument --batch: found '1'; accepted: a whole number from 2"),
        (("--batch", "-4"), 2, "argument --batch: found '-4'"),
        (("--rounds", "0"), 2, "argument --rounds: found '0'"),
    ],
)
def test_what_is_wrong_is_a_line(
    words: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["training_speed", "--out", str(tmp_path / "r"), *words])
    try:
        found = main()
    except SystemExit as stopped:
        found = int(stopped.code or 0)
    assert found == code
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "r").exists()
