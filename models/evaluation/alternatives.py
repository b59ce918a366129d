"""The other published cuts, judged beside those that decide: a sensitivity analysis."""

from __future__ import annotations

import pandas as pd

from models.bone_reference import ScalesParams
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.findings import alternative_findings
from models.evaluation.measures import finding_metrics
from models.evaluation.report_file import NamedMetrics
from models.evaluation.settings import EvaluateParams


def alternatives(
    test: pd.DataFrame,
    cutoffs: dict[str, FrozenCutoff],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, NamedMetrics]:
    """The other published cuts, called by Youden's cut-off on calibration patients.

    Parameters
    ----------
    test
        Judged test patients, one row each.
    cutoffs
        Finding -> what calibration patients froze; where it is missing, the published cut calls.
    """
    judged = {}
    for finding in alternative_findings(scales):
        frozen = cutoffs.get(finding.name)
        cut = finding.reference_cut(scales)
        metrics = finding_metrics(
            test, finding, cut if frozen is None else frozen.value, scales, params.confidence
        )
        how = "the published cut as it is" if frozen is None else f"{frozen.value:.3f} ({frozen.method})"
        judged[finding.name] = NamedMetrics(
            title=finding.title,
            says=f"Sensitivity analysis; decides nothing. Called at {how}.",
            reference_cut=cut,
            metrics={key.removeprefix(f"{finding.name}."): metric for key, metric in metrics.items()},
        )
    return judged
