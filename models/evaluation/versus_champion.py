"""The challenger beside the champion on the very same test patients: differences by paired bootstrap.

Both models' errors on one patient are alike (the same scan, the same DXA), so the difference is far better known
than either figure: patients are resampled once, and both models are judged on every resample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bone_reference import ScalesParams
from models.errors import InputError
from models.evaluation.bootstrap import Resampling, Statistic, bootstrap
from models.evaluation.correlation import plain_pearson_r
from models.evaluation.findings import FINDINGS
from models.evaluation.metric import Metric
from models.evaluation.roc import plain_auc
from models.evaluation.tables import TARGETS
from models.params import Section

METHOD = "paired bootstrap over patients"
Plain = Callable[[NDArray[np.int64], NDArray[np.float64]], float | None]


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
    """

    champion_sha256: str
    same_model: bool
    patients: int
    difference: dict[str, Metric]


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
        known = ours[reference].notna().to_numpy()
        truth = ours.loc[known, reference].to_numpy(dtype=np.float64)
        first, second = (table.loc[known, estimate].to_numpy(dtype=np.float64) for table in (ours, theirs))
        names = list(ours.loc[known, "patient"])
        differences[f"{target}.pearson_r"] = bootstrap(
            _difference(_r_against(truth), first, second),
            names,
            how,
            why_undefined="a side is constant",
            method=METHOD,
        )
        for finding in FINDINGS:
            if finding.target != target:
                continue
            positive = finding.truth(truth, scales)
            differences[f"{finding.name}.auc"] = bootstrap(
                _difference(_auc_against(positive), first, second),
                names,
                how,
                positives=int(positive.sum()),
                why_undefined="one class only",
                method=METHOD,
            )
    return differences


def _difference(plain: Plain, first: NDArray[np.float64], second: NDArray[np.float64]) -> Statistic:
    def difference(rows: NDArray[np.int64]) -> float | None:
        a, b = plain(rows, first[rows]), plain(rows, second[rows])
        return None if a is None or b is None else a - b

    return difference


def _r_against(truth: NDArray[np.float64]) -> Plain:
    return lambda rows, predicted: plain_pearson_r(truth[rows], predicted)


def _auc_against(positive: NDArray[np.bool_]) -> Plain:
    """A low estimate points to the finding."""
    return lambda rows, predicted: plain_auc(positive[rows], -predicted)


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
