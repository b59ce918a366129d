"""`osteogate model-card`: a page is written of files that belong together, to a place that can be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from models.errors import InputError, ParameterError
from pipelines.cli.model_card import model_card


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(model_card)
    done = CliRunner().invoke(app, ["-o", str(tmp_path)])
    assert done.exit_code == 2
    assert "is a directory" in " ".join(
        done.output.replace("│", " ").split()
    )  # whatever the terminal's width
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nowhere.card\.html: its folder does not exist"):
        model_card(out=tmp_path / "nowhere" / "card.html")


def test_decision_rules_of_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = "a" * 64, "b" * 64
    monkeypatch.setattr(
        "models.evaluation.report_file.read_report",
        lambda path: SimpleNamespace(model=SimpleNamespace(weights_sha256=ours)),
    )
    monkeypatch.setattr("models.artefact.read_card", lambda folder: SimpleNamespace(weights_sha256=ours))
    monkeypatch.setattr(
        "models.decision.read_rules", lambda path: SimpleNamespace(versions=SimpleNamespace(model=others))
    )
    with pytest.raises(
        InputError, match=r"frozen for weights bbbbbbbbbbbb, but report\.json beside it is of aaaa"
    ):
        model_card(evaluation=tmp_path, model=tmp_path, policy=None, out=tmp_path / "card.html")
    assert not (tmp_path / "card.html").exists()
