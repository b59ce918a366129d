"""The study's result as one self-contained page, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment

from models.bone_reference import ScalesParams
from models.evaluation.drawing import inline_svg
from models.evaluation.figures import draw_figures
from models.evaluation.metric import Metric
from models.evaluation.published import PublishedFigure
from models.write_failure import unwritten
from pipelines.study.figures import draw
from pipelines.study.judged import Judged
from pipelines.study.stages import StudyWriteError
from pipelines.study.study_file import StudyResult

PAGE, FACTS = "study.html", "study.json"
METRICS: tuple[tuple[str, str, int], ...] = (
    ("bmd.pearson_r", "BMD: Pearson r", 2),
    ("bmd.mae_g_cm2", "BMD: mean absolute error (g/cm²)", 3),
    ("bmd.bias_g_cm2", "BMD: bias (g/cm²)", 3),
    ("bmd.calibration_slope", "BMD: calibration slope", 2),
    ("bmd.interval_coverage", "BMD: share inside the prediction interval", 3),
    ("tbs.pearson_r", "TBS: Pearson r", 2),
    ("tbs.partial_r_given_hu", "TBS: partial r given trabecular HU", 2),
    ("tbs.partial_r_given_bmd", "TBS: partial r given the true BMD (DXA)", 2),
    ("tbs.mae", "TBS: mean absolute error", 3),
    ("tbs.interval_coverage", "TBS: share inside the prediction interval", 3),
    *(
        (f"{finding}.{part}", f"{title}: {words}", 2)
        for finding, title in (
            ("osteopenia", "Osteopenia or worse"),
            ("osteoporosis", "Osteoporosis"),
            ("impaired_tbs", "Impaired microarchitecture"),
        )
        for part, words in (("auc", "AUC"), ("sensitivity", "sensitivity"), ("specificity", "specificity"))
    ),
    ("flag.share", "Answers: share flagged", 2),
    ("flag.osteoporosis_flagged", "Answers: flagged of those with osteoporosis", 2),
)
BASELINES = (
    ("hu", "trabecular HU"),
    ("hu_kvp", "HU with kVp"),
    ("hu_age_sex_bmi", "HU with age, sex, BMI"),
    ("age_sex", "age and sex only"),
    ("technique", "technique only (leak test)"),
    ("ceiling", "drawn parameters, linear (ceiling)"),
)
COMPARED = (("bmd.pearson_r", "BMD r"), ("tbs.pearson_r", "TBS r"), ("osteoporosis.auc", "AUC osteoporosis"))


def write_page(result: StudyResult, judged: Sequence[Judged], scales: ScalesParams | None, out: Path) -> None:
    """Write study.html and study.json into `out`; `scales` is needed where anybody was judged.

    Raises
    ------
    StudyWriteError
        Disk full, say.
    """
    scatters = {
        item.name: draw_figures(item.evaluation, scales)["scatter.svg"]
        for item in judged
        if scales is not None
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / PAGE, render(result, scatters))
        _write(out / FACTS, result.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise StudyWriteError(f"{out}: not written {unwritten(error)}") from error


def render(result: StudyResult, scatters: Mapping[str, str]) -> str:
    """The page.

    Parameters
    ----------
    scatters
        Test cohort -> SVG text of estimates against DXA.
    """
    template = resources.files("pipelines.study").joinpath("study.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"cell": _cell, "words": _words, "published": _published, "inline": inline_svg}
    return environment.from_string(template).render(
        result=result,
        metrics=METRICS,
        baselines=BASELINES,
        compared=COMPARED,
        figures=draw(result),
        fewer=_fewer_patients(result),
        scatters=scatters,
    )


def _fewer_patients(result: StudyResult) -> str:
    """'25 %' or '20 to 30 %': how many of its patients a training loses with a vendor."""
    if not result.left_out:
        return ""
    whole = sum(int(result.model[f"{split}_patients"]) for split in ("train", "validation"))
    kept = [vendor.train_patients + (vendor.validation_patients or 0) for vendor in result.left_out]
    lost = [round(100 * (1 - patients / whole)) for patients in kept]
    low, high = min(lost), max(lost)
    return f"{low} %" if low == high else f"{low} to {high} %"


def _cell(metrics: Mapping[str, Metric], name: str, digits: int = 2) -> str:
    metric = metrics.get(name)
    return "–" if metric is None else _words(metric, digits)


def _words(metric: Metric, digits: int = 2) -> str:
    text = metric.words(digits)
    return text if metric.value is None else text.replace(", ", ",\u00a0").replace(" [", "\u00a0[")


def _published(figures: Mapping[str, PublishedFigure], name: str) -> str:
    figure = figures.get(name)
    if figure is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f}\u00a0[{figure.low:.2f},\u00a0{figure.high:.2f}]"


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
