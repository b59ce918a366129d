"""A step's fingerprint changes with the source it depends on, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.fingerprint import module_fingerprint, step_fingerprint


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    files = {
        "requirements.txt": "numpy==1\n",
        "components/step.py": "import models.errors\n",
        "components/prepare/component.py": "def f():\n    from components.prepare.run import run\n",
        "components/prepare/run.py": "from models import crops\nfrom components.step import x\n",
        "components/prepare/README.md": "words\n",
        "components/other/run.py": "a = 1\n",
        "models/__init__.py": "",
        "models/crops.py": "b = 1\n",
        "models/errors.py": "c = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "components/prepare/run.py",
        "models/crops.py",  # imported by `from package import module` inside a function's module
        "models/errors.py",  # imported by an imported module
        "requirements.txt",
    ],
)
def test_a_change_in_what_the_step_depends_on_changes_it(checkout: Path, name: str) -> None:
    before = step_fingerprint(checkout, "prepare")
    (checkout / name).write_text((checkout / name).read_text() + "\n# changed\n")
    assert step_fingerprint(checkout, "prepare") != before


@pytest.mark.parametrize("name", ["components/other/run.py", "components/prepare/README.md"])
def test_a_change_elsewhere_does_not(checkout: Path, name: str) -> None:
    before = step_fingerprint(checkout, "prepare")
    (checkout / name).write_text("other = 2\n")
    assert step_fingerprint(checkout, "prepare") == before


@pytest.mark.parametrize(
    ("name", "differs"),
    [("models/errors.py", True), ("models/crops.py", True), ("components/prepare/run.py", False)],
)
def test_a_modules_fingerprint_follows_its_imports(checkout: Path, name: str, differs: bool) -> None:
    (checkout / "models/training.py").write_text("from models import crops\nfrom models.errors import c\n")
    before = module_fingerprint(checkout, "models/training.py")
    (checkout / name).write_text("other = 2\n")
    assert (module_fingerprint(checkout, "models/training.py") != before) is differs
