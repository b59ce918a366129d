"""The server's own environment: what is missing is named, and what is there is not made again."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from components.deploy_triton import server_environment as place
from components.deploy_triton.errors import TritonInstallationError


def test_missing_libpython_names_the_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "LIBPYTHON", "libpython3.11.so.nowhere")
    with pytest.raises(TritonInstallationError, match=r"apt-get install libpython3\.11") as caught:
        place.find_libpython()
    assert caught.value.exit_code == 5


def test_libpython_beside_the_interpreter_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / place.LIBPYTHON).touch()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: str(tmp_path))
    assert place.find_libpython() == tmp_path


def test_failed_installation_is_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements-triton.txt"
    requirements.write_text("osteogate-has-no-such-package==0.0.0\n")
    monkeypatch.setattr(place, "REQUIREMENTS", requirements)
    monkeypatch.setattr(place, "find_libpython", lambda: tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(TritonInstallationError, match="could not be made") as caught:
        place.ensure_environment(tmp_path / "env")
    assert "\n" not in str(caught.value)
    assert not place.is_ready(tmp_path / "env")


def test_changed_requirements_make_the_environment_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements-triton.txt"
    requirements.write_text("one\n")
    monkeypatch.setattr(place, "REQUIREMENTS", requirements)
    made: list[Path] = []

    def make(environment: Path) -> None:
        made.append(environment)
        environment.mkdir(exist_ok=True)
        (environment / "osteogate-ready").write_text(place._fingerprint())

    monkeypatch.setattr(place, "_make", make)
    monkeypatch.setattr(place, "find_libpython", lambda: tmp_path)
    for _ in range(2):
        place.ensure_environment(tmp_path / "env")
    assert len(made) == 1
    requirements.write_text("two\n")
    place.ensure_environment(tmp_path / "env")
    assert len(made) == 2


def test_requirements_are_plain_pins_below_numpy_2() -> None:
    lines = [line.split("#")[0].strip() for line in place.REQUIREMENTS.read_text().splitlines()]
    pins = dict(line.split("==") for line in lines if line)
    assert pins["nvidia-pytriton"] == "0.7.0"
    assert pins["numpy"].startswith("1.")
    assert sys.version_info[:2] == place.PYTHON_VERSION


def test_our_backend_stands_in_under_the_production_name() -> None:
    assert place.OUR_BACKEND.parts[-2:] == ("onnxruntime", "model.py")
    assert place.OUR_BACKEND.is_file()
