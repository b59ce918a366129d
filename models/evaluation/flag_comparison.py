"""The network's flag beside flagging everybody and beside a cut on trabecular HU, frozen on calibration patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.bone_reference import ScalesParams
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.flag_rule import Bools, flag_metrics, rule_differences
from models.evaluation.metric import undefined
from models.evaluation.report_file import NamedMetrics
from models.evaluation.settings import EvaluateParams

NETWORK = "The network's flag: what answers would have said, by decision.json."
EVERYONE = "Everybody is sent to DXA."
HU = "Flagged at or below {cut:.1f} HU (trabecular, mean of the levels): {method}, {n} calibration patients."
NO_HU = "no HU rule: HU or one of the classes is missing among calibration patients, or none were given"


def flag_rules(
    test: pd.DataFrame,
    hu_rules: dict[str, FrozenCutoff | None],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, NamedMetrics]:
    """Rule -> its metrics on the test patients; '<network>_minus_<rule>' -> paired differences.

    Parameters
    ----------
    test
        Judged test patients, one row each, with a column `flagged`.
    hu_rules
        Name of a rule -> its cut on HU, or None where none could be frozen.
    """
    flagged = test["flagged"].to_numpy(dtype=bool)
    everyone = np.ones(len(test), dtype=bool)
    rules = {
        "network": _rule("the network's flag", NETWORK, flagged, test, scales, params),
        "everyone": _rule("flag everybody", EVERYONE, everyone, test, scales, params),
    }
    hu = test["trabecular_hu"].to_numpy(dtype=np.float64)
    for name, cut in hu_rules.items():
        title = "trabecular HU" if name == "hu" else "trabecular HU, as sensitive as the network"
        if cut is None or not np.isfinite(hu).all():
            why = NO_HU if cut is None else "no HU rule: a test patient has no HU"
            keys = rules["network"].metrics
            rules[name] = NamedMetrics(
                title=title, says=why, metrics={key: undefined(why, len(test), "not judged") for key in keys}
            )
            differences = {key: undefined(why, len(test), "not judged") for key in COMPARED}
        else:
            says = HU.format(cut=cut.value, method=cut.method, n=cut.n)
            rules[name] = _rule(title, says, hu <= cut.value, test, scales, params)
            differences = rule_differences(
                flagged, hu <= cut.value, test, scales, params.flag_on, params.resampling
            )
        rules[f"network_minus_{name}"] = NamedMetrics(
            title=f"network minus {title}",
            says="Paired differences on the same patients.",
            metrics=differences,
        )
    return rules


COMPARED: Sequence[str] = ("flag.sensitivity", "flag.specificity", "flag.share")


def _rule(
    title: str, says: str, flagged: Bools, test: pd.DataFrame, scales: ScalesParams, params: EvaluateParams
) -> NamedMetrics:
    metrics = flag_metrics(flagged, test, scales, params.flag_on, params.confidence)
    return NamedMetrics(title=title, says=says, metrics=metrics)
