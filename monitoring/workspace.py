"""The Evidently workspace: one project per vendor, so that Evidently's own UI shows each over time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from monitoring.features import FEATURES, Group, Kind


def add_to_workspace(folder: Path, vendor: str, snapshot: Any) -> None:
    """Add one vendor's report to its project, which is made with its dashboard when it is not there yet.

    Parameters
    ----------
    folder
        What ``evidently ui --workspace`` is given.
    snapshot
        evidently.core.report.Snapshot.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")  # the workspace calls home otherwise
    from evidently.ui.workspace import Workspace  # imported late: it reads the variable when imported

    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.create(str(folder))
    name = f"OsteoGate drift: {vendor or '(no vendor)'}"
    known = [project for project in workspace.list_projects() if project.name == name]
    if known:
        project = known[0]
    else:
        project = workspace.create_project(name, description="Current answers against the reference window")
        _add_panels(project)
    workspace.add_run(project.id, snapshot, include_data=False)


def _add_panels(project: Any) -> None:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    numbers = [feature for feature in FEATURES if feature.kind is Kind.NUMBER]
    for feature in numbers:
        unit = f", {feature.unit}" if feature.unit else ""
        project.dashboard.add_panel(
            line_plot_panel(
                title=f"{feature.label}{unit}: median",
                size="half",
                values=[
                    PanelMetric(
                        metric="QuantileValue", metric_labels={"column": feature.name}, legend=feature.label
                    )
                ],
            ),
            tab="Medians",
        )
    for group in Group:
        project.dashboard.add_panel(
            line_plot_panel(
                title=f"{group}: p-values",
                size="half",
                values=[
                    PanelMetric(
                        metric="ValueDrift", metric_labels={"column": feature.name}, legend=feature.label
                    )
                    for feature in FEATURES
                    if feature.group is group
                ],
            ),
            tab="p-values",
        )
