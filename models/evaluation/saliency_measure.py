"""Measuring section `saliency` of the report on a model and a crop store."""

from __future__ import annotations

import numpy as np

from models.artefact import LoadedModel
from models.body_region import WORDS, body_mask
from models.crop_store import CropGeometry, CropStore
from models.evaluation.bootstrap import Resampling, bootstrap
from models.evaluation.saliency_facts import TARGET_NUMBERS, SaliencyFacts, Seen
from models.network_config import NetworkConfig
from models.occlusion import REPLACEMENTS, occlude
from models.saliency import Attribution, attribute


def measure_saliency(
    model: LoadedModel,
    store: CropStore,
    how: Resampling,
    *,
    most_patients: int = 200,
    shown: int = 4,
) -> tuple[SaliencyFacts, list[Attribution]]:
    """Measure on the store's test patients, and attribute the estimates of a few of them.

    Raises
    ------
    OcclusionError
        Fewer than two test patients share a level.
    """
    occlusion = occlude(model, store, most_patients=most_patients, seed=how.seed)
    metrics = {
        f"{target}.{name}": bootstrap(
            lambda rows, name=name, number=number: occlusion.ratio(name, number, rows),  # type: ignore[misc]
            occlusion.patients,
            how,
            why_undefined="the answer does not move with the surroundings at all",
            method="ratio of mean absolute changes, bootstrap over patients",
        )
        for target, number in TARGET_NUMBERS.items()
        for name in REPLACEMENTS
    }
    attributions = attribute(model, store, _shown_rows(store, shown))
    names = {"bmd": "bmd_g_cm2", "tbs": "tbs"}
    return SaliencyFacts(
        body=WORDS,
        body_area_share=float(body_mask(store.header.geometry).mean()),
        seen=_seen(model.network.config, store.header.geometry),
        replacements=REPLACEMENTS,
        metrics=metrics,
        attributed_inside={
            target: float(min(item.inside[name] for item in attributions)) for target, name in names.items()
        },
        integration_error={
            target: float(max(item.error[name] for item in attributions)) for target, name in names.items()
        },
    ), attributions


def _seen(config: NetworkConfig, geometry: CropGeometry) -> Seen:
    """The network's field of view, and how much of it the body fills."""
    top, left, pixels = config.field[:3]
    body = body_mask(geometry)[top : top + pixels, left : left + pixels]
    return Seen(side_mm=config.field.size_mm, crop_mm=config.size_mm, body_area_share=float(body.mean()))


def _shown_rows(store: CropStore, shown: int) -> list[int]:
    """Middle crops of test patients from lowest to highest BMD, another level and patient each."""
    test = store.index[(store.index["split"] == "test")].copy()
    test = test.loc[test["lateral_offset_mm"].abs().groupby([test["patient"], test["level"]]).idxmin()]
    patients = test.groupby("patient")["bmd_l1_l4_g_cm2"].mean().sort_values().index
    places = np.unique(np.linspace(0, len(patients) - 1, min(shown, len(patients))).round().astype(int))
    rows = []
    for number, place in enumerate(places):
        of_patient = test[test["patient"] == patients[place]].sort_values("level")
        rows.append(int(of_patient.index[number % len(of_patient)]))
    return rows
