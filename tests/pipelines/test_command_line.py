"""The command line as a stranger meets it: help, one line for an error, the documented exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of its own: what a command leaves behind is not left in the checkout."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    for name in ("params.yaml", "data.dvc"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def osteogate(*words: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OSTEOGATE_ROOT": str(root)}
    environment.pop("OSTEOGATE_HOME", None)
    command = [str(Path(sys.executable).with_name("osteogate")), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("run",),
        ("predict",),
        ("simulate",),
        ("validate",),
        ("evaluate",),
        ("model-card",),
        ("compile",),
        ("drift",),
        ("doctor",),
        ("approve",),
        ("reject",),
        ("serve",),
        ("serve", "start"),
        ("dashboard",),
        ("cohort",),
        ("study",),
        ("study", "run"),
        ("study", "paper"),
        ("study", "leave-one-vendor-out"),
    ],
    ids=" ".join,
)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    done = osteogate(*words, "--help")
    assert done.returncode == 0
    assert "Usage: osteogate" in done.stdout


def test_no_package_calls_home_whoever_starts_the_command() -> None:
    script = (
        "import atexit, os, sys; from pipelines.cli.main import main; sys.argv = ['osteogate', '--help'];"
        "atexit.register(lambda: print(os.environ['MLFLOW_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK']));main()"
    )
    quiet = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "DVC_NO_ANALYTICS")
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "true true"


def test_an_unknown_option_is_a_usage_error(root: Path) -> None:
    done = osteogate("run", "--fast", root=root)
    assert done.returncode == 2
    assert "--fast" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_cannot_be_is_a_usage_error(root: Path) -> None:
    done = osteogate("serve", "start", "--port", "70000", root=root)
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_overwriting_spares_a_folder_that_is_no_cohort(tmp_path: Path, root: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("kept")
    done = osteogate("simulate", "--out", str(out), "--patients", "1", "--overwrite", root=root)
    assert done.returncode == 2
    assert "holds no cohort" in one_line(done)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_an_interrupt_reaches_no_worker_with_a_traceback(tmp_path: Path, root: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = ("simulate", "--out", str(out / "cohort"), "--patients", "40", "--workers", "2")
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("osteogate")), *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OSTEOGATE_ROOT": str(root)},
        start_new_session=True,
        # a shell's background job starts with SIGINT ignored, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not any(out.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)  # the workers are importing
    os.killpg(process.pid, signal.SIGINT)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert not (out / "cohort").exists()


def test_an_unknown_policy_is_named(root: Path) -> None:
    done = osteogate("run", "--policy", "strict", root=root)
    assert done.returncode == 2
    assert "demo" in one_line(done)


def test_nothing_to_resume_says_so(root: Path) -> None:
    done = osteogate("run", "--resume", root=root)
    assert done.returncode == 2
    assert "nothing to resume" in one_line(done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "production", "--data", "."), "no --data"),
        (("--data", "."), "--policy production"),
        ((), "--policy production"),
    ],
)
def test_a_run_is_resumed_as_it_was_begun(words: tuple[str, ...], said: str, root: Path) -> None:
    begun = root / "runs" / "latest"
    begun.mkdir(parents=True)
    (begun / "manifest.json").write_text('{"state": "interrupted"}')
    (begun / "plan.json").write_text('{"arguments": {"policy": "production", "data_folder": ""}}')
    done = osteogate("run", "--resume", *words, root=root)
    assert done.returncode == 2, done.stderr
    assert said in one_line(done)
    assert json.loads((begun / "manifest.json").read_text()) == {"state": "interrupted"}


def test_validating_what_is_no_cohort_is_refused_as_input(tmp_path: Path, root: Path) -> None:
    done = osteogate("validate", str(tmp_path), root=root)
    assert done.returncode == 3
    assert "cohort.json" in one_line(done)


def test_running_on_what_is_no_cohort_is_refused_as_input(tmp_path: Path, root: Path) -> None:
    done = osteogate("run", "--data", str(tmp_path / "none"), root=root)
    assert done.returncode == 3
    assert "cohort.json" in one_line(done)


def test_doctor_answers_in_json() -> None:
    done = osteogate("doctor", "--json")
    names = {item["name"] for item in json.loads(done.stdout)}
    assert {"Python 3.11", "pinned packages", "libpython3.11.so.1.0", "disk"} <= names


def test_predict_on_an_empty_folder_is_refused_with_a_code(tmp_path: Path, root: Path) -> None:
    (tmp_path / "images").mkdir()
    done = osteogate("predict", str(tmp_path / "images"), root=root)
    assert done.returncode == 3
    assert "EMPTY_INPUT" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_compile_writes_a_file_or_names_what_is_wrong(tmp_path: Path) -> None:
    done = osteogate("compile", "-o", str(tmp_path / "p.yaml"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.yaml").stat().st_size > 1000
    done = osteogate("compile", "-o", str(tmp_path / "q.yaml"), "--params", str(tmp_path / "none.yaml"))
    assert done.returncode == 2
    assert "none.yaml" in one_line(done)


def test_compile_refuses_an_unknown_policy_and_an_unwritable_place(tmp_path: Path) -> None:
    done = osteogate("compile", "-o", str(tmp_path / "p.yaml"), "--policy", "strict")
    assert done.returncode == 2
    assert "demo, production" in one_line(done)
    done = osteogate("compile", "-o", "/proc/nowhere/p.yaml")
    assert done.returncode == 2
    assert "/proc/nowhere" in one_line(done)


def test_an_unreadable_nifti_is_refused_with_a_code_in_json_too(tmp_path: Path, root: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(b"not gzip")
    done = osteogate("predict", str(tmp_path / "scan.nii.gz"), "--kvp", "120", "--json", root=root)
    assert done.returncode == 3
    assert json.loads(done.stdout)["refusals"][0]["code"] == "PIXELS_UNREADABLE"
    assert "scan.nii.gz" in one_line(done)
