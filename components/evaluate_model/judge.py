"""Judge a finished model on any crop store, by the rules that were frozen with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from components.evaluate_model.champion import RULES_FILE
from components.evaluate_model.latents import read_latents
from components.evaluate_model.looked_at import with_saliency
from components.evaluate_model.run import look_at_store, predictions, try_folder, write_evaluation
from models.artefact import CARD_FILE, LoadedModel, load_model
from models.bone_reference import ScalesParams
from models.crop_store import CropStore, open_crop_store
from models.decision import DecisionRules, outside_validated, read_rules
from models.errors import InputError
from models.evaluation.answers import DataIdentity
from models.evaluation.frozen_rules import scales_of_model
from models.evaluation.report import evaluate
from models.evaluation.report_file import Counts, EvaluationReport, ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.seen_patients import read_seen_patients, refuse_other_key, without_seen

SEEN = "seen by the model in training or calibration"


class RulesMissingError(InputError):
    """The model folder holds no rules, or those of other weights: there is nothing to judge it by."""


class AllSeenError(InputError):
    """The model has seen everybody it would be judged on."""


def judge(
    *,
    model: Path,
    version: str,
    store: Path,
    out: Path,
    params: EvaluateParams,
    scales: ScalesParams,
    look_log: Path | None = None,
    latents: Path | None = None,
) -> EvaluationReport:
    """Judge the model on the store's test patients and write the evaluation into `out`.

    Parameters
    ----------
    model
        Model folder with decision.json beside the weights, as it is registered.
    version
        As people call the model.
    look_log, latents
        As in `components.evaluate_model.run.run`.

    Raises
    ------
    RulesMissingError, ModelArtefactError, GeometryMismatchError, CropStoreError, PredictionTableError,
    TestSetEmptyError, AllSeenError, EvaluationWriteError, LookLogError
        Each with what to do.
    """
    loaded, rules = load_model(model), model_rules(model)
    whole = open_crop_store(store)
    opened, seen = _without_seen(whole, model)
    crops = predictions(loaded, opened)
    try_folder(out)
    looks = look_at_store(look_log, opened, loaded)
    own_scales = scales_of_model(rules, scales)
    judged = evaluate(
        crops,
        data=DataIdentity(
            kind="simulated" if opened.header.data_kind == "simulated" else "site",
            version=opened.header.data_version,
            geometry=opened.header.geometry,
        ),
        model=ModelIdentity(weights_sha256=loaded.card.weights_sha256, version=version),
        versions=rules.versions,
        scales=own_scales,
        params=params,
        test_looks=looks,
        frozen_rules=rules,
        latents=None if latents is None else read_latents(latents),
    )
    counts = _counts_of_whole(judged.report.counts, whole, seen)
    notes = (*judged.report.notes, *_warnings(loaded, opened, rules, seen))
    judged = replace(judged, report=judged.report.model_copy(update={"notes": notes, "counts": counts}))
    judged, attributions = with_saliency(judged, loaded, opened, params.resampling)
    return write_evaluation(judged, None, crops, own_scales, out, loaded, attributions)


def model_rules(model: Path) -> DecisionRules:
    """decision.json of a model folder, which must be of its very weights.

    Raises
    ------
    RulesMissingError
        None there, or of other weights.
    """
    file = model / RULES_FILE
    if not file.is_file():
        raise RulesMissingError(
            f"{file}: missing; a model is judged by the cut-offs frozen with it: name a registered version, or "
            f"put the decision.json of its evaluation beside {CARD_FILE}"
        )
    rules, card = read_rules(file), load_model(model).card
    if rules.versions.model != card.weights_sha256:
        raise RulesMissingError(
            f"{file}: frozen for weights {rules.versions.model[:12]}, the folder holds {card.weights_sha256[:12]}"
        )
    return rules


def _without_seen(store: CropStore, model: Path) -> tuple[CropStore, int | None]:
    """The store without test patients whom the model has seen, and how many; None when that is not known."""
    seen = read_seen_patients(model)
    if seen is None:
        return store, None
    refuse_other_key(store, seen, model)
    rest, count = without_seen(store, seen)
    if count and not (rest.index["split"] == "test").any():
        raise AllSeenError(
            f"the model was trained or calibrated on all {count} patients to be judged; name other patients"
        )
    return rest, count


def _counts_of_whole(counts: Counts, whole: CropStore, seen: int | None) -> Counts:
    """The counts with those whom the model has seen among those there were, and among those left out."""
    if seen is None:  # nobody could be left out: a note says so
        return counts
    by_split = whole.index.groupby("split")
    levels = whole.index.drop_duplicates(["patient", "level"]).groupby("split").size()
    there = {
        "patients": by_split["patient"].nunique(),
        "vertebrae": levels,
        "crops": by_split.size(),
    }
    update = {
        name: {split: int(numbers.get(split, 0)) for split in counts.patients}
        for name, numbers in there.items()
    }
    return counts.model_copy(update={**update, "excluded": {**counts.excluded, SEEN: seen}})


def _warnings(
    model: LoadedModel, store: CropStore, rules: DecisionRules, seen: int | None
) -> tuple[str, ...]:
    """What a reader must know of model and data together."""
    lines = []
    if seen is None:
        lines.append(f"Left out, {SEEN}: unknown. The model keeps no list of whom it was trained on, so nobody "
                     "could be left out for it.")  # fmt: skip
    if model.card.data_kind == "simulated" and store.header.data_kind != "simulated":
        lines.append("The model was trained on simulated phantoms and judged here on other data.")
    if model.card.data_version == store.header.data_version:
        lines.append(
            "The model was trained on this very data set; whether on these patients is unknown."
            if seen is None
            else "The model was trained on other patients of this very data set."
        )
    outside = _outside(store.index, rules)
    if outside:
        lines.append(
            f"Served, the answers of {outside} of the test patients would be marked as outside of what the model was "
            "validated on (vendor or tube voltage); they are judged here like the others."
        )
    return tuple(lines)


def _outside(index: pd.DataFrame, rules: DecisionRules) -> int:
    test = index[index["split"] == "test"].drop_duplicates("patient")
    return sum(
        bool(outside_validated(str(vendor), float(kvp), rules))
        for vendor, kvp in zip(test["vendor"], test["kvp"], strict=True)
    )
