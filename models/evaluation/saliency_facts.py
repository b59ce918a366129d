"""Section `saliency` of the report: does the model look at the vertebral body, in numbers."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from models.artefact import LoadedModel
from models.body_region import WORDS, body_mask
from models.crop_store import CropStore
from models.evaluation.bootstrap import Resampling, bootstrap
from models.evaluation.metric import Metric
from models.occlusion import REPLACEMENTS, occlude
from models.params import Section
from models.saliency import Attribution, attribute

LEAST_RATIO = 3.0  # own choice of the project: below, an answer rests on more than the body
JUDGED = "average"
_TARGETS = {"bmd": 0, "tbs": 1}


class SaliencyFacts(Section):
    """Occlusion and attribution on test patients.

    Attributes
    ----------
    body
        How the body's place in a crop was found, in words.
    body_area_share
        Of a crop's area.
    replacements
        Replacement -> what took the place of body or surroundings, in words.
    metrics
        '<target>.<replacement>': mean change of the answer when the body is replaced over that when everything else
        is; 'average' is the one that is judged.
    least_ratio
        That the judged ratios shall reach.
    attributed_inside, integration_error
        Target -> of the crops shown, smallest share of the absolute attribution that lies inside the body, and largest
        relative error of the integrated gradients' sum.
    """

    body: str
    body_area_share: float
    replacements: dict[str, str]
    metrics: dict[str, Metric]
    least_ratio: float = Field(default=LEAST_RATIO, gt=1)
    attributed_inside: dict[str, float]
    integration_error: dict[str, float]

    @property
    def reached(self) -> dict[str, bool]:
        """Target -> whether the judged ratio reaches the least one."""
        return {
            target: (value := self.metrics[f"{target}.{JUDGED}"].value) is not None
            and value >= self.least_ratio
            for target in _TARGETS
        }


def saliency_facts(
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
        for target, number in _TARGETS.items()
        for name in REPLACEMENTS
    }
    attributions = attribute(model, store, _shown_rows(store, shown))
    names = {"bmd": "bmd_g_cm2", "tbs": "tbs"}
    return SaliencyFacts(
        body=WORDS,
        body_area_share=float(body_mask(store.header.geometry).mean()),
        replacements=REPLACEMENTS,
        metrics=metrics,
        attributed_inside={
            target: float(min(item.inside[name] for item in attributions)) for target, name in names.items()
        },
        integration_error={
            target: float(max(item.error[name] for item in attributions)) for target, name in names.items()
        },
    ), attributions


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
