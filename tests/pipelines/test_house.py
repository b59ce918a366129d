"""The house keeps its rules: one-way imports, thin shims, a README in every room."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
SHIMS = sorted(ROOT.glob("components/*/*component.py"))


def test_imports_go_downwards_only() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_step_has_a_shim() -> None:
    assert {shim.parent.name for shim in SHIMS} == {step.folder for step in STEPS}


@pytest.mark.parametrize("shim", SHIMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shim_is_thin(shim: Path) -> None:
    text = shim.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) < 80
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in top}
    assert modules <= {"kfp", "typing"}, "a shim imports only kfp at module level"
    arithmetic = [
        node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Div)
    ]
    assert not arithmetic, "arithmetic belongs in the step's plain Python"


@pytest.mark.parametrize("room", ["pipelines", "components", "monitoring", "models", "infra", "tests"])
def test_every_room_has_a_readme(room: str) -> None:
    assert (ROOT / room / "README.md").is_file()


@pytest.mark.parametrize("folder", sorted({step.folder for step in STEPS}))
def test_every_component_has_a_readme(folder: str) -> None:
    assert (ROOT / "components" / folder / "README.md").is_file()
