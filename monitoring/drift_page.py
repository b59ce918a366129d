"""The drift page: verdict per vendor, features over vendors, links to Evidently's reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitoring.drift_figures import feature_figures
from monitoring.features import FEATURES
from monitoring.verdict import FeatureVerdict, Judgement

TEMPLATE = "drift_page.html.j2"
STATUS_WORDS = {
    "stable": "stable",
    "drift": "drift",
    "new_vendor": "new vendor",
    "not_judged": "not judged",
}


@dataclass(frozen=True)
class PageContext:
    """What the page says beside the verdicts.

    Attributes
    ----------
    notes
        Sentences on what was left out or rehearsed.
    """

    moment: datetime
    model_version: str
    data_kind: str
    reference_period: str
    current_period: str
    notes: tuple[str, ...] = ()


def write_drift_page(
    path: Path, judgement: Judgement, reference: pd.DataFrame, current: pd.DataFrame, context: PageContext
) -> None:
    """Write the self-contained page beside `path` and rename it in."""
    moved = {(verdict.vendor, item.name) for verdict in judgement.vendors for item in verdict.moved}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template(TEMPLATE).render(
        judgement=judgement,
        context=context,
        rows=_matrix(judgement),
        pictures=feature_figures(reference, current, moved),
        status_words=STATUS_WORDS,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(path)


def _matrix(judgement: Judgement) -> list[tuple[str, str, list[FeatureVerdict | None]]]:
    """Rows (label, group, one verdict per vendor or None) of the table of p-values; no empty rows."""
    rows = []
    for feature in FEATURES:
        for missing in (False, True):
            cells = [_cell(vendor.features, feature.name, missing) for vendor in judgement.vendors]
            if any(cell is not None for cell in cells):
                label = f"{feature.label}: missing values" if missing else feature.label
                rows.append((label, feature.group.value, cells))
    return rows


def _cell(features: tuple[FeatureVerdict, ...], name: str, missing: bool) -> FeatureVerdict | None:
    return next((item for item in features if item.name == name and item.missing is missing), None)
