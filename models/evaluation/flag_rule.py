"""The flag as a rule: whom it would have sent to DXA, beside sending everybody and beside a cut on trabecular HU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import decision
from models.bone_reference import ScalesParams
from models.evaluation import resampled
from models.evaluation.agreement import wilson
from models.evaluation.bootstrap import Resampling, bootstrap_at_once
from models.evaluation.calibration import FrozenCutoff, freeze_cutoff
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import PAIRED, four_shares, is_known
from models.evaluation.metric import Metric, undefined
from models.evaluation.settings import CutoffRule, EvaluateParams
from models.evaluation.tables import TARGETS

Bools = NDArray[np.bool_]


def flags(patients: pd.DataFrame, levels: pd.DataFrame, rules: decision.DecisionRules) -> Bools:
    """(n,) whom the answers would have flagged: the very function that answers patients.

    An estimate that no vertebra can have counts as flagged: served, the answer would be an error and the patient
    sent on.
    """
    by_patient = {
        name: (rows["bmd_pred_g_cm2"].to_numpy(), rows["tbs_pred"].to_numpy())
        for name, rows in levels.groupby("patient")
    }
    return np.array([_flagged(*by_patient[name], rules) for name in patients["patient"]], dtype=bool)


def _flagged(bmd: NDArray[np.float64], tbs: NDArray[np.float64], rules: decision.DecisionRules) -> bool:
    try:
        return decision.decide(bmd, tbs, None, None, rules).flag
    except decision.EstimateFaultError:
        return True


def finding_truths(patients: pd.DataFrame, scales: ScalesParams) -> dict[str, tuple[Bools, Bools]]:
    """Finding -> (n,) who has it by DXA, and (n,) of whom that is known."""
    truths = {}
    for finding in FINDINGS:
        judged = is_known(patients, finding.target)
        has = np.zeros(len(patients), dtype=bool)
        values = patients[TARGETS[finding.target][2]].to_numpy(dtype=np.float64)
        has[judged] = finding.truth(values[judged], scales)
        truths[finding.name] = (has, judged)
    return truths


def any_finding(patients: pd.DataFrame, scales: ScalesParams, flag_on: Sequence[str]) -> tuple[Bools, Bools]:
    """(n,) who has any finding that flags, and (n,) of whom that is known."""
    truths = finding_truths(patients, scales)
    has = np.any([truths[name][0] for name in flag_on], axis=0)
    return has, has | np.all([truths[name][1] for name in flag_on], axis=0)


def flag_metrics(
    flagged: Bools,
    patients: pd.DataFrame,
    scales: ScalesParams,
    flag_on: Sequence[str],
    confidence: float,
) -> dict[str, Metric]:
    """How a rule that flags `flagged` (n,) does; the finding is any of `flag_on` by DXA."""
    has, judged = any_finding(patients, scales, flag_on)
    shares = four_shares(flagged[judged], has[judged], confidence)
    metrics = {f"flag.{part}": metric for part, metric in shares.items()}
    metrics["flag.share"] = wilson(int(flagged.sum()), len(flagged), confidence)
    metrics["flag.number_needed_to_scan"] = _per_found(shares["ppv"])
    for name, (with_it, _) in finding_truths(patients, scales).items():
        metrics[f"flag.{name}_flagged"] = wilson(
            int(flagged[with_it].sum()), int(with_it.sum()), confidence, int(with_it.sum())
        )
    all_findings = [finding.name for finding in FINDINGS]
    sick, certain = any_finding(patients, scales, all_findings)
    healthy = certain & ~sick
    metrics["flag.healthy_not_flagged"] = wilson(
        int((~flagged[healthy]).sum()), int(healthy.sum()), confidence
    )
    return metrics


def freeze_hu_rule(
    calibration: pd.DataFrame, scales: ScalesParams, params: EvaluateParams, sensitivity: float | None = None
) -> FrozenCutoff | None:
    """Trabecular HU at or below which today's practice would flag; None where HU or a class is missing.

    Youden's cut; with `sensitivity` the least cut that finds that share of the calibration patients.
    """
    has, judged = any_finding(calibration, scales, params.flag_on)
    hu = calibration["trabecular_hu"].to_numpy(dtype=np.float64)
    usable = judged & np.isfinite(hu)
    rule = (
        CutoffRule(method="youden")
        if sensitivity is None
        else CutoffRule(method="sensitivity", sensitivity=sensitivity)
    )
    frozen = freeze_cutoff(
        has[usable], hu[usable], rule, reference_cut=0.0, minimum_class=params.minimum_class_patients
    ) if usable.any() else None  # fmt: skip
    return None if frozen is None or frozen.method.startswith("published") else frozen


def rule_differences(
    ours: Bools,
    theirs: Bools,
    patients: pd.DataFrame,
    scales: ScalesParams,
    flag_on: Sequence[str],
    how: Resampling,
) -> dict[str, Metric]:
    """Sensitivity, specificity and share of the first rule minus those of the second, paired."""
    has, judged = any_finding(patients, scales, flag_on)
    names = list(patients["patient"])

    def difference(first: Bools, second: Bools, among: Bools) -> Metric:
        return bootstrap_at_once(
            lambda drawn: resampled.share(drawn, first, among) - resampled.share(drawn, second, among),
            names,
            how,
            positives=int(has.sum()),
            why_undefined="nobody to count",
            method=PAIRED,
        )

    return {
        "flag.sensitivity": difference(ours, theirs, has & judged),
        "flag.specificity": difference(~ours, ~theirs, ~has & judged),
        "flag.share": difference(ours, theirs, np.ones(len(ours), dtype=bool)),
    }


def _per_found(ppv: Metric) -> Metric:
    """Patients scanned for one with the finding: the inverse of the PPV."""
    method = "inverse of the PPV, Wilson"
    if ppv.value is None or ppv.low is None or ppv.high is None:
        return undefined(str(ppv.reason), ppv.n, method, ppv.positives)
    if ppv.low <= 0:
        return undefined("nobody flagged has a finding", ppv.n, method, ppv.positives)
    return Metric(
        value=1 / ppv.value,
        low=1 / ppv.high,
        high=1 / ppv.low,
        n=ppv.n,
        positives=ppv.positives,
        method=method,
    )
