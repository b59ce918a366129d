"""Whom to send to DXA: net benefit, and scans per patient found, of the estimate and of simpler rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.bone_reference import ScalesParams
from models.evaluation.bootstrap import Resamples, resamples
from models.evaluation.findings import FINDINGS
from models.evaluation.flag_rule import any_finding, finding_truths
from models.evaluation.report_file import Curve, DecisionCurves
from models.evaluation.settings import EvaluateParams

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
THRESHOLDS: Floats = np.round(np.arange(0.02, 0.80, 0.02), 2)  # risk at which one would send somebody to DXA
SHARES: Floats = np.round(np.linspace(0.02, 1.0, 50), 2)
ANY = "any"
HU_FEATURES = ("trabecular_hu",)
CLINIC_FEATURES = ("trabecular_hu", "age_years", "male", "bmi_kg_m2")


def decision_curves(
    calibration: pd.DataFrame, test: pd.DataFrame, scales: ScalesParams, params: EvaluateParams
) -> dict[str, DecisionCurves]:
    """Curves of every finding and of 'any' finding that flags.

    Parameters
    ----------
    calibration, test
        Judged patients, one row each; `test` with a column `flagged`.
    """
    titles = {ANY: "any finding that flags"} | {finding.name: finding.title for finding in FINDINGS}
    estimates = {ANY: ("bmd_pred_g_cm2", "tbs_pred")} | {
        finding.name: (f"{finding.target}_pred{'_g_cm2' if finding.target == 'bmd' else ''}",)
        for finding in FINDINGS
    }
    return {
        name: _curves(name, title, estimates[name], calibration, test, scales, params)
        for name, title in titles.items()
    }


def net_benefit(positive: Bools, sent: Bools, threshold: float) -> float:
    """True positives minus weighted false positives, per patient (Vickers and Elkin, Med Decis Making 2006)."""
    return float((_benefit(positive, threshold) * sent).mean())


def _benefit(positive: Bools, threshold: float) -> Floats:
    """(n,) what sending each patient is worth: 1 with the finding, minus the odds of the threshold without."""
    return np.where(positive, 1.0, -threshold / (1 - threshold))


def _curves(
    name: str,
    title: str,
    estimates: Sequence[str],
    calibration: pd.DataFrame,
    test: pd.DataFrame,
    scales: ScalesParams,
    params: EvaluateParams,
) -> DecisionCurves:
    calibration, has_calibration = _complete(calibration, name, scales, params.flag_on)
    test, has_test = _complete(test, name, scales, params.flag_on)
    curves = DecisionCurves(finding=name, title=title, n=len(test), positives=int(has_test.sum()))
    for whose, has in (("calibration", has_calibration), ("test", has_test)):
        with_it, without = int(has.sum()), int((~has).sum())
        if min(with_it, without) < params.minimum_class_patients:
            why = (
                f"{with_it} {whose} patients with and {without} without the finding; "
                f"{params.minimum_class_patients} of each needed"
            )
            return curves.model_copy(update={"reason": why})
    risks = {
        "network": _risks(calibration, has_calibration, test, estimates),
        "hu": _risks(calibration, has_calibration, test, HU_FEATURES),
        "hu_age_sex_bmi": _risks(calibration, has_calibration, test, CLINIC_FEATURES),
    }
    flagged = test["flagged"].to_numpy(dtype=bool)
    sent = {"flag rule": flagged, "everyone": np.ones(len(test), bool), "nobody": np.zeros(len(test), bool)}
    of_network = _net_benefit_curve(
        has_test, _at_risk(risks["network"]), resamples(list(test["patient"]), params.resampling), params
    )
    found = int(flagged[has_test].sum())
    sensitivity = found / int(has_test.sum())
    return curves.model_copy(
        update={
            "net_benefit": {
                **{name: _net_benefit_curve(has_test, _at_risk(risk)) for name, risk in risks.items()},
                **{name: _net_benefit_curve(has_test, _always(who)) for name, who in sent.items()},
                "network": of_network,
            },
            "scans": {
                **{name: _scans(has_test, risk) for name, risk in risks.items()},
                "flag rule": _point(float(flagged.mean()), sensitivity),
                "everyone": _point(1.0, 1.0),
            },
            "number_needed_to_scan": {
                **{name: _needed(has_test, risk) for name, risk in risks.items()},
                "flag rule": _point(sensitivity, float(flagged.sum()) / found if found else None),
                "everyone": _point(1.0, len(test) / int(has_test.sum())),
            },
        }
    )


def _at_risk(risk: Floats) -> Callable[[float], Bools]:
    """Whoever's risk reaches the threshold is sent."""
    return lambda threshold: risk >= threshold


def _always(sent: Bools) -> Callable[[float], Bools]:
    """The same patients are sent, whatever the threshold."""
    return lambda threshold: sent


def _complete(
    patients: pd.DataFrame, name: str, scales: ScalesParams, flag_on: Sequence[str]
) -> tuple[pd.DataFrame, Bools]:
    """Patients of whom the finding and every covariate are known, and who has it."""
    patients = patients.assign(male=(patients["sex"] == "M").astype(np.float64))
    has, judged = (
        any_finding(patients, scales, flag_on) if name == ANY else finding_truths(patients, scales)[name]
    )
    usable = judged & patients[list(CLINIC_FEATURES)].notna().all(axis=1).to_numpy()
    usable &= patients["sex"].isin(["F", "M"]).to_numpy()
    return patients[usable], has[usable]


def _risks(calibration: pd.DataFrame, has: Bools, test: pd.DataFrame, features: Sequence[str]) -> Floats:
    """(n,) probability of the finding for test patients, by logistic regression on calibration patients."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, solver="newton-cholesky"))
    names = list(features)
    model.fit(calibration[names].to_numpy(dtype=np.float64), has)
    risks: Floats = model.predict_proba(test[names].to_numpy(dtype=np.float64))[:, 1]
    return risks


def _net_benefit_curve(
    has: Bools,
    sent: Callable[[float], Bools],
    drawn: Resamples | None = None,
    params: EvaluateParams | None = None,
) -> Curve:
    """Net benefit at every threshold; with resamples also its percentile interval."""
    worth = np.column_stack([_benefit(has, threshold) * sent(threshold) for threshold in THRESHOLDS])
    x, y = _plain(THRESHOLDS), _plain(worth.mean(axis=0))
    if drawn is None or params is None:
        return Curve(x=x, y=y)
    tail = (1 - params.confidence) / 2
    low, high = np.quantile(drawn.sums(worth) / len(worth), [tail, 1 - tail], axis=0)
    return Curve(x=x, y=y, low=_plain(low), high=_plain(high))


def _found(has: Bools, risk: Floats) -> tuple[Floats, Floats]:
    """Scans made and patients found, sending the highest risks first, at every share of `SHARES`."""
    scanned = np.ceil(SHARES * len(has)).astype(int)
    found = np.cumsum(has[np.argsort(-risk, kind="stable")])[scanned - 1]
    return scanned.astype(np.float64), found.astype(np.float64)


def _scans(has: Bools, risk: Floats) -> Curve:
    scanned, found = _found(has, risk)
    return Curve(x=_plain(scanned / len(has)), y=_plain(found / has.sum()))


def _needed(has: Bools, risk: Floats) -> Curve:
    scanned, found = _found(has, risk)
    kept = found > 0
    return Curve(x=_plain(found[kept] / has.sum()), y=_plain(scanned[kept] / found[kept]))


def _point(x: float, y: float | None) -> Curve:
    return Curve(x=(x,), y=(y,))


def _plain(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
