"""Judge a model on the sequestered test patients, and the champion on the very same."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import structlog

from components.evaluate_model.champion import RULES_FILE, ChampionError, beside_champion, unseen_by
from components.evaluate_model.latents import read_latents
from components.evaluate_model.look_log import note_look
from components.evaluate_model.looked_at import with_saliency
from models.artefact import LoadedModel, ModelArtefactError, load_model
from models.bone_reference import ScalesParams
from models.crop_store import CropStore, open_crop_store
from models.decision import Versions, write_rules
from models.errors import OsteoGateError
from models.evaluation.answers import DataIdentity
from models.evaluation.figures import draw_figures
from models.evaluation.html import render
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import EvaluationReport, ModelIdentity, write_report
from models.evaluation.settings import EvaluateParams
from models.model_card.render import FILE as MODEL_CARD_FILE
from models.model_card.render import render_card
from models.model_card.training_facts import training_facts
from models.params import Section
from models.prediction import GeometryMismatchError, predict_store
from models.saliency import Attribution
from models.write_failure import unwritten

JUDGED_SPLITS = ("calibration", "test")
REPORT_FILE = "report.json"
CHAMPION_FILE = "champion_report.json"


class EvaluationWriteError(OsteoGateError):
    """The evaluation could not be written."""


class EvaluationSummary(Section):
    """What the run's manifest keeps.

    Attributes
    ----------
    metrics
        Patient-level metrics on the test patients: name -> value, low, high, n, reason.
    """

    test_patients: int
    metrics: dict[str, dict[str, float | int | str | None]]
    baselines: dict[str, dict[str, float | None]]
    champion_metrics: dict[str, dict[str, float | int | str | None]] | None
    test_looks: int | None


def run(
    *,
    model: Path,
    store: Path,
    out: Path,
    params: EvaluateParams,
    scales: ScalesParams,
    champion: Path | None = None,
    look_log: Path | None = None,
    latents: Path | None = None,
) -> EvaluationSummary:
    """Predict, freeze, judge, and write the evaluation into `out`.

    Parameters
    ----------
    model, champion
        Model folders; the champion's is None when there is none.
    store
        Crop store folder.
    out
        Gets report.json, report.html, model_card.html, predictions.parquet, decision.json, figures/ and, with a
        champion, champion_report.json. report.json comes last: where it is, the rest is.
    look_log
        JSON-lines file that outlives runs; each look at the test patients adds a line.
    latents
        Hidden causes of a simulated cohort (`components.evaluate_model.latents`), for the ceiling.

    Raises
    ------
    ChampionError, ModelArtefactError, GeometryMismatchError, CropStoreError, PredictionTableError,
    CalibrationError, TestSetEmptyError
        Each with what to do.
    EvaluationWriteError, LookLogError
        Disk full, say.
    """
    opened = open_crop_store(store)
    challenger = load_model(model)
    compared, seen = unseen_by(champion, opened, params)
    crops = predictions(challenger, opened)
    try_folder(out)
    looks = look_at_store(look_log, opened, challenger)
    causes = None if latents is None else read_latents(latents)
    judged = _judge(challenger, crops, opened, params, scales, looks, causes)
    rival = None
    if champion is not None:
        try:
            leader = load_model(champion)
            leading = _judge(leader, predictions(leader, compared), compared, params, scales, looks)
        except (ModelArtefactError, GeometryMismatchError) as error:
            raise ChampionError(
                f"the champion cannot be scored on these crops: {error}; "
                "mend it, or judge without it: osteogate run --without-champion"
            ) from error
        ours = judged
        if seen:
            unseen = crops["split"].ne("test") | crops["patient"].isin(compared.index["patient"])
            ours = _judge(challenger, crops[unseen], compared, params, scales, looks)
        rival = leading.report
        judged = beside_champion(judged, ours, leading, seen, champion, scales, params)
    judged, attributions = with_saliency(judged, challenger, opened, params.resampling)
    report = write_evaluation(judged, rival, crops, scales, out, challenger, attributions)
    structlog.get_logger().info(
        "model_evaluated",
        test_patients=report.counts.judged_patients["test"],
        bmd_pearson_r=report.patient["bmd.pearson_r"].value,
        tbs_pearson_r=report.patient["tbs.pearson_r"].value,
        champion=rival is not None,
    )
    return EvaluationSummary(
        test_patients=report.counts.judged_patients["test"],
        metrics=_plain(report),
        baselines={
            name: {
                key: metric.value for key, metric in metrics.items() if key.endswith((".pearson_r", ".auc"))
            }
            for name, metrics in report.baselines.items()
        },
        champion_metrics=None if rival is None else _plain(rival),
        test_looks=looks,
    )


def look_at_store(log: Path | None, store: CropStore, model: LoadedModel) -> int | None:
    """Log the look at the store's test patients; how many there were, None without a log."""
    if log is None:
        return None
    index = store.index
    return note_look(
        log,
        index.loc[index["split"] == "test", "patient"].unique(),
        data_version=store.header.data_version,
        weights_sha256=model.card.weights_sha256,
    )


def try_folder(out: Path) -> None:
    """Make the folder and write into it, before a look that would come to nothing is counted; nothing is left.

    Raises
    ------
    EvaluationWriteError
        It cannot be made or written.
    """
    figures = out / "figures"
    made = [folder for folder in (figures, out) if not folder.exists()]
    try:
        figures.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(b"\0")
        for folder in made:
            folder.rmdir()
    except OSError as error:
        raise EvaluationWriteError(
            f"{out}: no evaluation can be written ({error.strerror}), so none was made; name another folder"
        ) from error


def predictions(model: LoadedModel, store: CropStore) -> pd.DataFrame:
    """The index of all splits; estimates where patients are judged, NaN elsewhere (baselines need those rows)."""
    others = store.index[~store.index["split"].isin(JUDGED_SPLITS)]
    others = others.assign(bmd_pred_g_cm2=float("nan"), tbs_pred=float("nan"))
    return pd.concat([others, predict_store(model, store, JUDGED_SPLITS)], ignore_index=True)


def _judge(
    model: LoadedModel,
    crops: pd.DataFrame,
    store: CropStore,
    params: EvaluateParams,
    scales: ScalesParams,
    looks: int | None,
    latents: pd.DataFrame | None = None,
) -> Evaluation:
    settings = json.dumps([params.model_dump(), scales.model_dump(), model.card.params], sort_keys=True)
    sha256 = model.card.weights_sha256
    return evaluate(
        crops,
        data=DataIdentity(
            kind="simulated" if store.header.data_kind == "simulated" else "site",
            version=store.header.data_version,
            geometry=store.header.geometry,
        ),
        model=ModelIdentity(weights_sha256=sha256, version=sha256[:12]),
        versions=Versions(
            data=store.header.data_version,
            code=model.card.git_commit or "not in a repository",
            params=hashlib.sha256(settings.encode()).hexdigest(),
            model=sha256,
        ),
        scales=scales,
        params=params,
        test_looks=looks,
        latents=latents,
    )


def write_evaluation(
    judged: Evaluation,
    rival: EvaluationReport | None,
    crops: pd.DataFrame,
    scales: ScalesParams,
    out: Path,
    model: LoadedModel,
    attributions: Sequence[Attribution] = (),
) -> EvaluationReport:
    """Write everything `run` promises into `out`.

    Raises
    ------
    EvaluationWriteError
        Disk full, say.
    """
    try:
        return _write(judged, rival, crops, scales, out, model, attributions)
    except OSError as error:
        raise EvaluationWriteError(f"{out}: evaluation not written {unwritten(error)}") from error


def _write(
    judged: Evaluation,
    rival: EvaluationReport | None,
    crops: pd.DataFrame,
    scales: ScalesParams,
    out: Path,
    model: LoadedModel,
    attributions: Sequence[Attribution],
) -> EvaluationReport:
    (out / "figures").mkdir(parents=True, exist_ok=True)
    (out / REPORT_FILE).unlink(missing_ok=True)
    (out / CHAMPION_FILE).unlink(missing_ok=True)  # of an earlier run, when there was another champion
    figures = draw_figures(judged, scales, attributions)
    report = judged.report.model_copy(update={"figures": tuple(f"figures/{name}" for name in figures)})
    for name, svg in figures.items():
        _write_text(out / "figures" / name, svg)
    _write_text(out / "report.html", render(report, figures))
    _write_text(out / MODEL_CARD_FILE, render_card(report, judged.rules, training_facts(model.card)))
    beside = out / ".predictions.parquet.partial"
    crops[crops["split"].isin(JUDGED_SPLITS)].to_parquet(beside, index=False)
    beside.replace(out / "predictions.parquet")
    write_rules(judged.rules, out / RULES_FILE)
    if rival is not None:
        write_report(rival, out / CHAMPION_FILE)
    write_report(report, out / REPORT_FILE)
    return report


def _write_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _plain(report: EvaluationReport) -> dict[str, dict[str, float | int | str | None]]:
    return {
        name: metric.model_dump(include={"value", "low", "high", "n", "reason"})
        for name, metric in report.patient.items()
    }
