"""`osteogate retention`: what is over its term, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.retention.plan import RetentionPlan


def retention(
    apply: Annotated[bool, typer.Option("--apply", help="Delete what is over its term.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list it; what is done by default.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List what is over its term (params.yaml, retention), and delete it with --apply.

    What the champion, the latest run or a run awaiting approval needs stays; links are never followed.
    """
    import json
    from contextlib import nullcontext

    from models.errors import ParameterError
    from models.params import load_section
    from monitoring.params import MonitorParams
    from pipelines.local_run import only_run
    from pipelines.retention.carry_out import apply_plan
    from pipelines.retention.params import RetentionParams
    from pipelines.retention.plan import plan_retention
    from pipelines.workspace import Workspace

    if apply and dry_run:
        raise ParameterError("--apply and --dry-run: one of them is accepted")
    workspace = Workspace.find()
    params = load_section(workspace.params_file, "retention", RetentionParams)
    period_days = load_section(workspace.params_file, "monitor", MonitorParams).period_days
    with only_run(workspace) if apply else nullcontext():
        plan = plan_retention(workspace, params, period_days=period_days)
        if apply:
            apply_plan(plan, workspace)
    if json_output:
        typer.echo(json.dumps(_document(plan, applied=apply), indent=2))
    else:
        _print(plan, params, applied=apply)


def _document(plan: RetentionPlan, *, applied: bool) -> dict[str, Any]:
    from pipelines.retention.carry_out import safe_name

    def entry(holding: Any) -> dict[str, Any]:
        return {
            "kind": holding.kind.value,
            "name": safe_name(holding),
            "files": holding.file_count,
            "bytes": holding.byte_count,
            "age_days": round(plan.age_days(holding), 1),
        }

    return {
        "schema_version": 1,
        "applied": applied,
        "expired": [{**entry(item.holding), "reason": item.reason} for item in plan.expired],
        "kept": [{**entry(item.holding), "why": item.why} for item in plan.kept],
        "links_left_alone": len(plan.outside),
        "predictions": {
            "rows": plan.prediction_count,
            "before": plan.predictions_before.isoformat() if plan.predictions_before else None,
        },
        "held": {
            kind.value: {"entries": entries, "bytes": size} for kind, (entries, size) in plan.totals.items()
        },
    }


def _print(plan: RetentionPlan, params: Any, *, applied: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from pipelines.retention.carry_out import safe_name
    from pipelines.retention.params import Kind

    console = Console()
    table = Table()
    for column in (
        "kind",
        "term",
        "held",
        "MB",
        "deleted" if applied else "over its term",
        "MB",
        "kept though over",
    ):
        table.add_column(column)
    for kind in Kind:
        term = params.term(kind)
        words = ", ".join(
            [
                f"{term.days} days" if term.days else "no end",
                f"{term.size_gb:g} GB" if term.size_gb else "no limit",
            ]
        )
        entries, size = plan.totals[kind]
        gone = [item.holding for item in plan.expired if item.holding.kind is kind]
        stays = sum(item.holding.kind is kind for item in plan.kept)
        if kind is Kind.PREDICTIONS:
            cells = (f"{entries} rows", f"{size / 1e6:.1f}", f"{plan.prediction_count} rows", "", "")
            table.add_row(kind.value, words, *cells)
            continue
        gone_mb = sum(item.byte_count for item in gone) / 1e6
        table.add_row(
            kind.value, words, str(entries), f"{size / 1e6:.1f}", str(len(gone)), f"{gone_mb:.1f}", str(stays)
        )  # fmt: skip
    console.print(table)
    for item in plan.expired:
        typer.echo(
            f"{'deleted' if applied else 'would go'}: {item.holding.kind} {safe_name(item.holding)}, "
            f"{item.holding.byte_count / 1e6:.1f} MB, {plan.age_days(item.holding):.0f} days ({item.reason})"
        )
    for kept in plan.kept:
        typer.echo(f"stays: {kept.holding.kind} {safe_name(kept.holding)} ({kept.why})")
    if plan.outside:
        typer.echo(f"left alone: {len(plan.outside)} links, which are never followed")
    if not applied and (plan.expired or plan.prediction_count):
        typer.echo("nothing was deleted; delete with: osteogate retention --apply")
