"""A model's evaluation on one test cohort: the report that every model gets, from cohorts that are apart."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from models.artefact import LoadedModel
from models.crop_store import StoreHeader
from models.decision import Versions
from models.errors import InputError
from models.evaluation.answers import DataIdentity
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import ModelIdentity
from pipelines.study.plan import StudyPlan, key_of


class PatientsSharedError(InputError):
    """A patient is in two cohorts of a study."""


@dataclass(frozen=True)
class Judged:
    """One test cohort judged.

    Attributes
    ----------
    crops
        The table that was judged: index rows of all cohorts, estimates where patients are judged.
    """

    name: str
    evaluation: Evaluation
    crops: pd.DataFrame


def judge(
    name: str,
    plan: StudyPlan,
    model: LoadedModel,
    training: pd.DataFrame,
    calibration: pd.DataFrame,
    test: pd.DataFrame,
    header: StoreHeader,
    latents: pd.DataFrame,
    test_looks: int | None = None,
) -> Judged:
    """Evaluate on `test`, everything else being what `calibration` froze and `training` fitted.

    Parameters
    ----------
    training
        Index rows of train and validation patients, without estimates: baselines are fitted on them.
    calibration, test
        Index rows with estimates.
    latents
        One row per patient of all three, for the ceiling.

    Raises
    ------
    PatientsSharedError
        Naming how many.
    """
    _refuse_shared({"training": training, "calibration": calibration, name: test})
    blank = training.assign(bmd_pred_g_cm2=float("nan"), tbs_pred=float("nan"))
    crops = pd.concat([blank, calibration, test], ignore_index=True)
    sha256 = model.card.weights_sha256
    evaluation = evaluate(
        crops,
        data=DataIdentity(
            kind="simulated" if header.data_kind == "simulated" else "site",
            version=header.data_version,
            geometry=header.geometry,
        ),
        model=ModelIdentity(weights_sha256=sha256, version=sha256[:12]),
        versions=Versions(
            data=header.data_version,
            code=model.card.git_commit or "not in a repository",
            params=key_of(plan.evaluate.model_dump(), plan.scales.model_dump(), plan.train.model_dump()),
            model=sha256,
        ),
        scales=plan.scales,
        params=plan.evaluate,
        test_looks=test_looks,
        latents=latents,
    )
    return Judged(name, evaluation, crops)


def _refuse_shared(tables: dict[str, pd.DataFrame]) -> None:
    seen: dict[str, set[str]] = {}
    for name, table in tables.items():
        own = set(table["patient"])
        for other, theirs in seen.items():
            if shared := own & theirs:
                raise PatientsSharedError(
                    f"{len(shared)} patients are in cohort {other} and in cohort {name}; accepted: nobody in two"
                )
        seen[name] = own
