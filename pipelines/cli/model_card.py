"""`osteogate model-card`: what a model is for, how good it is for whom, and how it may change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def model_card(
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder of an evaluation; default: the latest run's.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model folder (model.json); default: the latest run's.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Gate policy that a changed model must meet; default: params.yaml's.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", dir_okay=False, help="HTML file to write.")] = Path(
        "model_card.html"
    ),
) -> None:
    """Write the model card from an evaluation, with the change control page; no number is made up for it."""
    from components.gate_promotion.policy import GateParams
    from models.artefact import read_card
    from models.decision import read_rules
    from models.errors import InputError, ParameterError
    from models.evaluation.report_file import read_report
    from models.model_card.render import render_card
    from models.model_card.training_facts import training_facts
    from models.params import load_section
    from pipelines.policy_demands import acceptance
    from pipelines.workspace import Workspace

    if not out.resolve().parent.is_dir():
        raise ParameterError(f"--out {out}: its folder does not exist; name a file in one that does")
    workspace = Workspace.find()
    folder = evaluation or workspace.runs / "latest" / "evaluate"
    report = read_report(folder / "report.json")
    card = read_card(model or workspace.runs / "latest" / "train")
    if card.weights_sha256 != report.model.weights_sha256:
        raise InputError(
            f"{folder}: of weights {report.model.weights_sha256[:12]}, but the model folder holds "
            f"{card.weights_sha256[:12]}; name the model that was evaluated (--model)"
        )
    rules = read_rules(folder / "decision.json")
    if rules.versions.model != report.model.weights_sha256:
        raise InputError(
            f"{folder / 'decision.json'}: frozen for weights {rules.versions.model[:12]}, but report.json beside it "
            f"is of {report.model.weights_sha256[:12]}; evaluate anew"
        )
    gate = load_section(workspace.params_file, "gate", GateParams)
    page = render_card(
        report,
        rules,
        training_facts(card),
        acceptance(gate, policy or gate.default_policy, report),
    )
    beside = out.with_name(f".{out.name}.partial")
    beside.write_text(page, encoding="utf-8")
    beside.replace(out)
    typer.echo(f"{out}: {report.statement}")
