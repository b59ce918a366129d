"""The summary a run ends with: steps, metrics with intervals, gate, what is serving, where to look next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.manifest import Manifest

METRICS = {
    "bmd.pearson_r": "BMD, Pearson r",
    "bmd.mae_g_cm2": "BMD, mean absolute error (g/cm2)",
    "tbs.pearson_r": "TBS, Pearson r",
    "osteopenia.auc": "AUC, osteopenia or worse (T <= -1)",
    "osteoporosis.auc": "AUC, osteoporosis (T <= -2.5)",
    "impaired_tbs.auc": "AUC, impaired TBS (< 1.31)",
}

VERDICTS = {
    "promoted": "promoted",
    "awaiting approval": "passed, AWAITING A PERSON'S APPROVAL, not deployed",
    "rejected": "passed, rejected by a person, NOT promoted",
    "refused": "NOT promoted",
}


def print_summary(manifest: Manifest, console: Console) -> None:
    """Print everything on one screen."""
    console.print()
    console.print(_steps(manifest))
    if manifest.metrics:
        console.print(_metrics(manifest))
    _gate(manifest, console)
    _serving(manifest, console)
    _next(manifest, console)


def _steps(manifest: Manifest) -> Table:
    table = Table(title=f"Run {manifest.run_id}: {manifest.state}", title_justify="left")
    table.add_column("step")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    table.add_column("peak memory", justify="right")
    for step in manifest.steps:
        seconds = f"{step.seconds:.1f}" if step.seconds is not None else ""
        if step.state == "reused" and step.seconds_when_made is not None:
            seconds = f"({step.seconds_when_made:.1f})"
        table.add_row(
            step.name, step.state, seconds, f"{step.peak_memory_mb} MB" if step.peak_memory_mb else ""
        )
    return table


def _metrics(manifest: Manifest) -> Table:
    simulated = manifest.data.get("kind") == "simulated"
    title = "Test patients" + (", SIMULATED PHANTOMS: not clinical evidence" if simulated else "")
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("n", justify="right")
    for key, label in METRICS.items():
        metric: dict[str, Any] = manifest.metrics.get(key, {})
        if metric.get("value") is None:
            table.add_row(label, "-", metric.get("reason", "not computed"), "")
            continue
        interval = f"{metric['low']:.2f} to {metric['high']:.2f}" if metric.get("low") is not None else ""
        table.add_row(label, f"{metric['value']:.3f}", interval, str(metric.get("n", "")))
    return table


def _gate(manifest: Manifest, console: Console) -> None:
    if not manifest.gate:
        return
    console.print(f"Gate (policy {manifest.policy}): {VERDICTS[manifest.gate['state']]}")
    for reason in manifest.gate["reasons"]:
        console.print(f"  {reason}", highlight=False)
    if manifest.gate["state"] == "awaiting approval":
        console.print("  read the gate decision below, and then one of:")
        console.print(f"  osteogate approve {manifest.run_id} --by NAME", highlight=False)
        console.print(f"  osteogate reject {manifest.run_id} --by NAME --why REASON", highlight=False)


def _serving(manifest: Manifest, console: Console) -> None:
    if manifest.model.get("url"):
        console.print(f"Serving: model version {manifest.model['version']} at {manifest.model['url']} (gRPC)")
        console.print("  stop with: osteogate serve stop")
    elif manifest.model.get("version"):
        console.print(f"Serving: unchanged, champion is version {manifest.model['version']}")
    elif manifest.gate:
        console.print("Serving: nothing yet, no model has been promoted")
    for vendor, verdict in manifest.drift.items():
        text = verdict if isinstance(verdict, str) else verdict.get("status", verdict)
        console.print(f"Drift {vendor}: {text}")


def _next(manifest: Manifest, console: Console) -> None:
    console.print("Look next:")
    here = Path.cwd()
    for title, path in manifest.paths.items():
        console.print(f"  {title:<20} {os.path.relpath(path, here)}", highlight=False, soft_wrap=True)
    console.print("  MLflow, Evidently    osteogate dashboard", highlight=False)
    if manifest.error:
        console.print(f"Stopped: {manifest.error}", highlight=False, soft_wrap=True)
