"""`osteogate simulate --report`: simulated phantoms beside what is published about patients, as a page and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment

from components.simulate_cohort.cohort_figures import CAPTIONS, draw_figures
from components.simulate_cohort.nhanes import NhanesTables
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.population import draw_population
from components.simulate_cohort.population_statistics import standard_errors, statistics
from components.simulate_cohort.published import PUBLISHED, PublishedStatistic
from models.evaluation.drawing import inline_svg

SCHEMA_VERSION = 1
BAND_PATIENTS = 1000  # what the bands are meant for
STATEMENT = "Simulated phantoms, not patients. Only the published values beside them are of patients."


@dataclass(frozen=True)
class ComparedStatistic:
    """One row: what the phantoms show, beside the published value and its band.

    Attributes
    ----------
    inside
        Whether the simulated value lies in the band; None where too few phantoms were there to tell.
    """

    published: PublishedStatistic
    simulated: float
    standard_error: float
    inside: bool | None

    @property
    def errors_outside(self) -> float | None:
        """Standard errors by which the value lies outside its band; 0 inside, None where the error is unknown."""
        beyond = max(self.published.low - self.simulated, self.simulated - self.published.high, 0.0)
        if not beyond:
            return 0.0
        return beyond / self.standard_error if self.standard_error > 0 and math.isfinite(beyond) else None

    def document(self) -> dict[str, object]:
        """As JSON: no NaN."""
        known = not math.isnan(self.simulated)
        return {
            **asdict(self.published),
            "simulated": self.simulated if known else None,
            "standard_error": self.standard_error if known else None,
            "inside": self.inside,
            "errors_outside": self.errors_outside,
        }


def compare(population: pd.DataFrame, *, standard_errors_wider: float = 0.0) -> list[ComparedStatistic]:
    """Hold every published statistic to its band.

    Parameters
    ----------
    standard_errors_wider
        By how many standard errors of this sample a band is widened at both ends; 0 for 1,000 phantoms.
    """
    values, errors = statistics(population), standard_errors(population)
    rows = []
    for published in PUBLISHED:
        value, error = values[published.name], errors[published.name]
        more = standard_errors_wider * error
        inside = published.low - more <= value <= published.high + more
        rows.append(ComparedStatistic(published, value, error, None if math.isnan(value) else inside))
    return rows


def write_report(
    *,
    patients: int,
    seed: int,
    out: Path,
    params: SimulateParams,
    nhanes: NhanesTables,
    purpose: str = "cohort",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[ComparedStatistic]:
    """Simulate, compare, and write `out`/cohort_report.html and `out`/cohort_report.json.

    Finished parts are kept in `out`/parts: an interrupted report goes on from there.
    """
    out.mkdir(parents=True, exist_ok=True)
    population = draw_population(
        patients,
        seed,
        params,
        keep=out / "parts",
        purpose=purpose,
        workers=workers,
        progress=progress,
    )
    rows = compare(population)
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "simulated",
        "statement": STATEMENT,
        "patients": patients,
        "seed": seed,
        "random_streams": purpose,
        "nhanes": nhanes.origin,
        "rows": [row.document() for row in rows],
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    (out / "cohort_report.json").write_text(text, encoding="utf-8")
    figures = draw_figures(population, nhanes)
    (out / "cohort_report.html").write_text(_page(document, rows, figures), encoding="utf-8")
    return rows


def _page(document: dict[str, object], rows: list[ComparedStatistic], figures: dict[str, str]) -> str:
    package = resources.files("components.simulate_cohort")
    template = package.joinpath("cohort_report.html.j2").read_text(encoding="utf-8")
    inlined = [(CAPTIONS[name], inline_svg(svg)) for name, svg in figures.items()]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        report=document, rows=rows, figures=inlined, band_patients=BAND_PATIENTS
    )
