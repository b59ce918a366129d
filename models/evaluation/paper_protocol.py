"""Findings by the paper's own protocol, kept apart from ours because its cut-off is chosen on the test set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bone_reference import ScalesParams
from models.evaluation import resampled
from models.evaluation.bootstrap import Resamples, Resampling, bootstrap_at_once
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import pairs
from models.evaluation.metric import Metric
from models.evaluation.report_file import NamedMetrics

TITLE = "By the paper's protocol"
SAYS = (
    "Assumed of the paper (doi 10.1097/RCT.0000000000001437), whose abstract gives ROC analysis on 208 images of 52 "
    "test patients and no separate set for cut-offs: every test vertebra is a case of its own; it has the finding "
    "when its own DXA value lies beyond the L1-L4 cut; the cut-off on the estimate is the one with the largest "
    "sensitivity + specificity (Youden) on these very test vertebrae. Chosen and judged on the same cases, it is "
    "optimistic. Intervals resample patients and choose the cut-off anew each time."
)


def paper_protocol(levels: pd.DataFrame, scales: ScalesParams, how: Resampling) -> NamedMetrics:
    """AUC, sensitivity and specificity over test vertebrae, the cut-off chosen on them."""
    metrics: dict[str, Metric] = {}
    for finding in FINDINGS:
        truth, predicted, names = pairs(levels, finding.target, per_level=True)
        positive = finding.truth(truth, scales)
        for part, statistic in _statistics(positive, -predicted).items():
            metrics[f"{finding.name}.{part}"] = bootstrap_at_once(
                statistic,
                names,
                how,
                positives=int(positive.sum()),
                why_undefined="one class only",
                method="bootstrap over patients, cut-off chosen anew",
            )
    return NamedMetrics(title=TITLE, says=SAYS, metrics=metrics)


def _statistics(
    positive: NDArray[np.bool_], score: NDArray[np.float64]
) -> dict[str, Callable[[Resamples], NDArray[np.float64]]]:
    return {
        "auc": lambda drawn: resampled.auc(drawn, positive, score),
        "sensitivity": lambda drawn: resampled.best_youden(drawn, positive, score)[0],
        "specificity": lambda drawn: resampled.best_youden(drawn, positive, score)[1],
    }
