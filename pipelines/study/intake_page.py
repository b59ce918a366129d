"""The intake study as one self-contained page, and as JSON."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from models.evaluation.metric import Metric
from models.write_failure import unwritten
from pipelines.study.intake_result import IntakeResult
from pipelines.study.stages import StudyWriteError

PAGE, FACTS = "intake.html", "intake.json"


def write_intake_page(result: IntakeResult, out: Path) -> None:
    """Write intake.html and intake.json into `out`.

    Raises
    ------
    StudyWriteError
        Disk full, say.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in ((PAGE, render(result)), (FACTS, result.model_dump_json(indent=2) + "\n")):
            beside = out / f".{name}.partial"
            beside.write_text(text, encoding="utf-8")
            beside.replace(out / name)
    except OSError as error:
        raise StudyWriteError(f"{out}: not written {unwritten(error)}") from error


def render(result: IntakeResult) -> str:
    """The page."""
    template = resources.files("pipelines.study").joinpath("intake.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.globals["words"] = _words
    return environment.from_string(template).render(result=result)


def _words(metric: Metric) -> str:
    """'0.95 [0.90, 0.98] of 60'."""
    return f"{metric.words(3)} of {metric.n}"
