"""The challenger beside the champion on the very same test patients: differences by paired bootstrap.

Both models' errors on one patient are alike (the same scan, the same DXA), so the difference is far better known
than either figure: patients are resampled once, and both models are judged on every resample.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from models.bone_reference import ScalesParams
from models.errors import InputError
from models.evaluation import resampled
from models.evaluation.bootstrap import Resampling, interval, resamples
from models.evaluation.correlation import plain_pearson_r
from models.evaluation.findings import FINDINGS, Finding
from models.evaluation.measures import known
from models.evaluation.metric import Metric, undefined
from models.evaluation.roc import plain_auc
from models.evaluation.tables import TARGETS
from models.params import Section

METHOD = "paired bootstrap over patients"


class OtherPatientsError(InputError):
    """Challenger and champion were not scored on the same patients with the same reference values."""


class VersusChampion(Section):
    """Challenger minus champion, in the challenger's report.

    Attributes
    ----------
    champion_sha256
        Of the champion's weights.
    same_model
        Weights and decision rules are the champion's own: there is nothing to deploy.
    patients
        Test patients that both were scored on.
    difference
        'bmd.pearson_r', 'tbs.pearson_r', '<finding>.auc' -> challenger minus champion; above 0 is better.
    seen_by_champion
        Test patients left out here for both, because the champion was trained or calibrated on them; None when the
        champion keeps no list of whom it has seen.
    test_set_sha256
        As in the report, of the patients compared; None where they are all of the report's.
    challenger
        The challenger's own figures on the patients compared, where they are not all of the report's.
    """

    champion_sha256: str
    same_model: bool
    patients: int
    difference: dict[str, Metric]
    seen_by_champion: int | None = None
    test_set_sha256: str | None = None
    challenger: dict[str, Metric] = Field(default_factory=dict)


def versus_champion(
    challenger: pd.DataFrame, champion: pd.DataFrame, scales: ScalesParams, how: Resampling
) -> dict[str, Metric]:
    """Differences in Pearson r and AUC, challenger minus champion.

    A percentile interval; where more than one resample in twenty holds one class only, no value but the reason.
    Two models with the same predictions differ by exactly 0, with the interval [0, 0].

    Parameters
    ----------
    challenger, champion
        Judged test patients, one row each (`models.evaluation.tables`), with each model's own estimates.

    Raises
    ------
    OtherPatientsError
        Not the same patients, or not the same reference values.
    """
    ours, theirs = _matched(challenger, champion)
    differences: dict[str, Metric] = {}
    for target, (estimate, _, reference) in TARGETS.items():
        judged = known(ours, target)
        truth = judged[reference].to_numpy(dtype=np.float64)
        first, second = (
            table.loc[judged.index, estimate].to_numpy(dtype=np.float64) for table in (ours, theirs)
        )
        if len(truth) < 2:
            why = f"{len(truth)} patients that can be judged"
            lacking = [f"{target}.pearson_r", *(f"{name}.auc" for name in _findings_on(target))]
            differences |= {key: undefined(why, len(truth), METHOD) for key in lacking}
            continue
        drawn = resamples(list(judged["patient"]), how)
        differences[f"{target}.pearson_r"] = interval(
            _minus(plain_pearson_r(truth, first), plain_pearson_r(truth, second)),
            resampled.pearson_r(drawn, truth, first) - resampled.pearson_r(drawn, truth, second),
            len(truth),
            how,
            why_undefined="a side is constant",
            method=METHOD,
        )
        for name, finding in _findings_on(target).items():
            positive = finding.truth(truth, scales)  # a low estimate points to the finding
            differences[f"{name}.auc"] = interval(
                _minus(plain_auc(positive, -first), plain_auc(positive, -second)),
                resampled.auc(drawn, positive, -first) - resampled.auc(drawn, positive, -second),
                len(truth),
                how,
                positives=int(positive.sum()),
                why_undefined="one class only",
                method=METHOD,
            )
    return differences


def _findings_on(target: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in FINDINGS if finding.target == target}


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _matched(challenger: pd.DataFrame, champion: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables in the same order of patients."""
    ours, theirs = (table.sort_values("patient").reset_index(drop=True) for table in (challenger, champion))
    only_ours, only_theirs = (
        len(set(a["patient"]) - set(b["patient"])) for a, b in ((ours, theirs), (theirs, ours))
    )
    twice = [int(table["patient"].duplicated().sum()) for table in (ours, theirs)]
    if any(twice):
        raise OtherPatientsError(f"{sum(twice)} test patients are there twice; one row each is accepted")
    if only_ours or only_theirs:
        raise OtherPatientsError(
            f"challenger and champion were scored on different test patients: {only_ours} only by the "
            f"challenger, {only_theirs} only by the champion; score both on the same"
        )
    for table, whose in ((ours, "challenger"), (theirs, "champion")):
        wrong = int((~np.isfinite(table[[name for name, *_ in TARGETS.values()]])).any(axis=1).sum())
        if wrong:
            raise OtherPatientsError(f"the {whose} has no number as estimate for {wrong} test patients")
    for _, _, reference in TARGETS.values():
        unlike = ~np.isclose(ours[reference], theirs[reference], rtol=0, atol=1e-9, equal_nan=True)
        if unlike.any():
            raise OtherPatientsError(
                f"{int(unlike.sum())} test patients have another {reference} beside the champion's estimates "
                "than beside the challenger's; score both on the same data set"
            )
    return ours, theirs
