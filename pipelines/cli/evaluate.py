"""`osteogate evaluate`: any registered model on any labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.evaluation.report_file import EvaluationReport
    from pipelines.labelled_data import LabelledData
    from pipelines.workspace import Workspace

HEADLINES = (
    ("bmd.pearson_r", "BMD, Pearson r", 2),
    ("bmd.mae_g_cm2", "BMD, mean absolute error (g/cm2)", 3),
    ("bmd.bias_g_cm2", "BMD, bias (g/cm2)", 3),
    ("tbs.pearson_r", "TBS, Pearson r", 2),
    ("osteopenia.auc", "AUC, osteopenia or worse", 2),
    ("osteoporosis.auc", "AUC, osteoporosis", 2),
    ("impaired_tbs.auc", "AUC, impaired TBS", 2),
)


def evaluate(
    data: Annotated[
        Path, typer.Option(help="Crop store, or cohort folder with DICOM and dxa.csv (docs/own-cohort.md).")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Version number, alias, or folder of a model; default: the champion."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report and crops; default: .osteogate/evaluations/DATA-VERSION-WEIGHTS, 8 digits each."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Judge a model on labelled data of your own, by the cut-offs and intervals frozen with the model.

    Nothing is chosen on the data judged. Every patient of a cohort is a test patient, unless the model was trained on
    that very cohort. Each look at test patients is counted. Research use only.
    """
    import json

    from rich.console import Console
    from rich.progress import Progress

    from components.evaluate_model.latents import latents_beside
    from components.evaluate_model.params import EvaluateParams
    from models.artefact import read_card
    from models.bone_reference import ScalesParams
    from models.params import load_section
    from pipelines.judged_model import judged_model
    from pipelines.labelled_data import labelled_data, refuse_steps, require_labelled
    from pipelines.workspace import Workspace

    store = require_labelled(data)  # before a model is fetched
    workspace = Workspace.find()
    if store is None and out is not None:
        refuse_steps(out)
    params = load_section(workspace.params_file, "evaluate", EvaluateParams)
    scales = load_section(workspace.params_file, "scales", ScalesParams)
    console = Console(stderr=True)
    with (
        judged_model(model, workspace) as found,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        from components.evaluate_model.judge import judge  # takes seconds to load: once there is a model

        card = read_card(found.folder)
        target = out or default_folder(data, workspace, card.weights_sha256)
        task = bar.add_task("read", total=None)
        labelled = labelled_data(
            data,
            workspace=workspace,
            geometry=card.geometry,
            trained_on=card.data_version,
            work=target,
            progress=lambda step, done, total: bar.update(
                task, description=step, completed=done, total=total
            ),
        )
        bar.update(task, description="judge", total=None)
        report = judge(
            model=found.folder,
            version=found.name,
            store=labelled.store,
            out=target,
            params=params,
            scales=scales,
            look_log=workspace.look_log,
            latents=latents_beside(data),
        )
    if json_output:
        document = {
            "model": found.name,
            "data": str(data),
            "judged": labelled.split,
            "counts": labelled.counts,
            "refused_by_code": labelled.codes,
            "test_looks": report.test_looks,
            "page": str(target / "report.html"),
            "report": report.model_dump(mode="json"),
        }
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
        return
    _show(report, labelled, found.name, target)


def default_folder(data: Path, workspace: Workspace, weights_sha256: str) -> Path:
    """Where an evaluation is written: another folder for other data of the same name, and for another model."""
    from pipelines.labelled_data import version_of

    version = "".join(character for character in version_of(data, workspace) if character.isalnum())
    return workspace.home / "evaluations" / f"{data.resolve().name}-{version[:8]}-{weights_sha256[:8]}"


def _show(report: EvaluationReport, labelled: LabelledData, model: str, target: Path) -> None:
    typer.echo(report.statement)
    typer.echo(f"{model}, judged on {labelled.split}: {report.counts.judged_patients['test']} patients")
    if labelled.counts:
        counts = labelled.counts
        typer.echo(
            f"series read {counts['series_read']}, accepted {counts['series_accepted']}, "
            f"refused {counts['series_quarantined']}; prepared {counts['series_prepared']}; "
            f"patients prepared {counts['patients_prepared']}"
        )
    for code, count in labelled.codes.items():
        typer.echo(f"  refused {code}: {count}")
    for reason, count in report.counts.excluded.items():
        if count:
            typer.echo(f"  left out, {reason}: {count}")
    for name, title, digits in HEADLINES:
        if name in report.patient:
            typer.echo(f"{title}: {report.patient[name].words(digits)}")
    if report.test_looks is not None:
        typer.echo(f"looks at these test patients, this one included: {report.test_looks}")
    for note in report.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"page: {target / 'report.html'}")
