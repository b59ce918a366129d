"""`osteogate study`: what the model must show, on streamed simulated cohorts; leave one vendor out on any data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.profile import Profile

if TYPE_CHECKING:
    from pipelines.study.plan import StudyPlan
    from pipelines.study.study_file import StudyResult
    from pipelines.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Studies on streamed simulated cohorts (simulated phantoms, not clinical evidence), kept stage by stage: an "
        "interrupted study goes on where it was."
    ),
)

Out = Annotated[Path, typer.Option(help="Folder of the study: cohorts, models, study.html, study.json.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that simulate; default: one a core.")]
FailOnUnmet = Annotated[
    bool, typer.Option("--fail-on-unmet", help="Exit 7 when a bound is not met or was not judged.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def run(
    out: Out,
    test_seeds: Annotated[
        list[int],
        typer.Option(min=0, help="Seed of a test cohort; give one or more, chosen by whoever checks."),
    ],
    more_seeds: Annotated[
        list[int] | None, typer.Argument(metavar="[SEED]...", help="More test seeds.", min=0)
    ] = None,
    profile: Profile = None,
    train_patients: Annotated[int | None, typer.Option(min=2, help="Default: params.yaml, study.")] = None,
    validation_patients: Annotated[int | None, typer.Option(min=1, help="Early stopping.")] = None,
    calibration_patients: Annotated[int | None, typer.Option(min=1, help="Cut-offs and intervals.")] = None,
    test_patients: Annotated[int | None, typer.Option(min=2, help="Of each test cohort.")] = None,
    train_seed: Annotated[int | None, typer.Option(min=0, help="Of train and validation patients.")] = None,
    calibration_seed: Annotated[int | None, typer.Option(min=0, help="Of calibration patients.")] = None,
    vendors: Annotated[
        bool,
        typer.Option("--vendors/--no-vendors", help="Leave each vendor out in turn: one more training each."),
    ] = True,
    workers: Workers = None,
    fail_on_unmet: FailOnUnmet = False,
    json_output: Json = False,
) -> None:
    """Train once, freeze on calibration patients, judge each test seed against what the model must show.

    The exit code is 0 whether bounds are met or not, unless --fail-on-unmet is given. With --no-vendors the bounds
    on vendors are not judged.
    """
    from pipelines.study.plan import study_plan
    from pipelines.study.unmet import refuse_unmet
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    plan = study_plan(
        workspace.params_file,
        profile,
        test_seeds=[*test_seeds, *(more_seeds or [])],
        train_patients=train_patients,
        validation_patients=validation_patients,
        calibration_patients=calibration_patients,
        test_patients=test_patients,
        train_seed=train_seed,
        calibration_seed=calibration_seed,
    )
    result = _run(plan, out, workspace, workers=workers, vendors=vendors)
    _say(result, out, json_output)
    if fail_on_unmet:
        refuse_unmet(result)


@app.command()
def paper(
    out: Out,
    profile: Annotated[str, typer.Option("--profile", help="Profile with exact numbers by split.")] = "paper",
    vendors: Annotated[
        bool, typer.Option("--vendors/--no-vendors", help="Leave each vendor out in turn as well.")
    ] = False,
    workers: Workers = None,
    json_output: Json = False,
) -> None:
    """The paper's own protocol (402 patients, 280/70/52) on phantoms, beside the paper's table."""
    from pipelines.study.plan import paper_plan
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    plan = paper_plan(workspace.params_file, profile)
    result = _run(plan, out, workspace, workers=workers, vendors=vendors)
    _say(result, out, json_output)


@app.command("leave-one-vendor-out")
def leave_one_vendor_out(
    data: Annotated[
        Path, typer.Option(help="Crop store (of osteogate run, simulate --stream, or your own).")
    ],
    out: Out,
    profile: Profile = None,
    fail_on_unmet: FailOnUnmet = False,
    json_output: Json = False,
) -> None:
    """One training a vendor without that vendor, judged on its test patients beside the model that saw all.

    The exit code is 0 whether bounds are met or not, unless --fail-on-unmet is given.
    """
    from pipelines.study.unmet import refuse_unmet
    from pipelines.study.vendor_study import run_vendors_left_out
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    result = run_vendors_left_out(
        data,
        out,
        params_file=workspace.params_file,
        profile=profile,
        console=_console(),
        commit=_commit(workspace.root),
        look_log=workspace.look_log,
    )
    _say(result, out, json_output)
    if fail_on_unmet:
        refuse_unmet(result)


@app.command()
def intake(
    out: Annotated[
        Path, typer.Option(help="Folder for intake.html, intake.json and what was measured so far.")
    ],
    seeds: Annotated[list[int], typer.Option(min=0, help="Give one or more, chosen by whoever checks.")],
    more_seeds: Annotated[list[int] | None, typer.Argument(metavar="[SEED]...", min=0)] = None,
    patients: Annotated[int, typer.Option(min=1, help="Rendered patients of each seed.")] = 100,
    header_series: Annotated[
        int, typer.Option(min=1, help="Sound series of each seed, headers only.")
    ] = 2000,
    defect_series: Annotated[int, typer.Option(min=1, help="Series with each planted header defect.")] = 50,
    profile: Profile = None,
    workers: Workers = None,
    fail_on_unmet: FailOnUnmet = False,
    json_output: Json = False,
) -> None:
    """Sensitivity and specificity of the intake's image rules, and what its header rules refuse of sound series.

    On simulated phantoms with planted findings. A killed run goes on: measured patients are kept.
    """
    from pipelines.study.intake_page import write_intake_page
    from pipelines.study.intake_run import run_intake_study
    from pipelines.study.unmet import RequirementsUnmetError
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    result = run_intake_study(
        workspace.params_file,
        profile,
        out,
        seeds=[*seeds, *(more_seeds or [])],
        patients=patients,
        header_series=header_series,
        defect_series=defect_series,
        root=workspace.root,
        workers=workers,
        commit=_commit(workspace.root),
        console=_console(),
    )
    write_intake_page(result, out)
    if json_output:
        typer.echo(result.model_dump_json(indent=2))
    else:
        typer.echo(result.text())
        typer.echo(f"page: {out / 'intake.html'}")
    if fail_on_unmet and not result.met:
        raise RequirementsUnmetError("the intake's rules: a bound is not met; the page says which")


def _run(
    plan: StudyPlan, out: Path, workspace: Workspace, *, workers: int | None, vendors: bool
) -> StudyResult:
    from pipelines.study.run import run_study

    return run_study(
        plan,
        out,
        console=_console(),
        workers=workers,
        vendors=vendors,
        commit=_commit(workspace.root),
        look_log=workspace.look_log,
    )


def _console():  # type: ignore[no-untyped-def]
    from rich.console import Console

    return Console(stderr=True)


def _commit(root: Path) -> str | None:
    from pipelines.manifest import git_state

    commit, _ = git_state(root)
    return commit


def _say(result: StudyResult, out: Path, json_output: bool) -> None:
    """The verdict in a few lines; the page says the rest."""
    if json_output:
        typer.echo(result.model_dump_json(indent=2))
        return
    typer.echo(result.statement)
    for test in result.tests:
        typer.echo(f"{test.name}: {test.patients} test patients")
        for item in test.requirements if result.kind == "study" else ():
            typer.echo(f"  {_verdict(item.met)} {item.title}: {item.measured.words(3)}; {item.bound}")
        if result.kind == "paper":
            for name in ("bmd.pearson_r", "tbs.pearson_r", "osteoporosis.auc"):
                typer.echo(f"  {name}: {test.metrics[name].words()}")
    for item in result.left_out_requirements:
        typer.echo(f"  {_verdict(item.met)} {item.title}: {item.measured.words(3)}; {item.bound}")
    typer.echo(f"page: {out / 'study.html'}")


def _verdict(met: bool | None) -> str:
    return {True: "met       ", False: "NOT MET   ", None: "not judged"}[met]
