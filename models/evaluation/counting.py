"""Who was there, who was judged, and who was left out."""

from __future__ import annotations

from typing import Any

import pandas as pd

from models.bone_reference import ScalesParams
from models.crop_store import SPLITS
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import known, pairs
from models.evaluation.report_file import Counts
from models.evaluation.tables import MeasuredTables


def counted(
    crops: pd.DataFrame,
    tables: MeasuredTables,
    levels: pd.DataFrame,
    test: pd.DataFrame,
    scales: ScalesParams,
) -> Counts:
    """The report's counts, by split where they have one.

    Parameters
    ----------
    crops, tables
        All that was given, and what could be measured of it.
    levels
        Those of judged patients.
    test
        Judged test patients, one row each.
    """

    def by_split(rows: pd.DataFrame, unique: str | None = None) -> dict[str, int]:
        grouped: Any = rows.groupby("split")
        numbers = grouped[unique].nunique() if unique else grouped.size()
        return {split: int(numbers.get(split, 0)) for split in SPLITS}

    bmi = test["bmi_kg_m2"]
    unjudged = test[~test["tbs_judged"]]
    low, high = scales.tbs_bmi_kg_m2
    return Counts(
        patients=by_split(crops, "patient"),
        vertebrae=by_split(tables.levels),
        crops=by_split(crops),
        judged_patients=by_split(tables.patients),
        judged_vertebrae=by_split(levels),
        excluded=tables.excluded,
        test_by_vendor={
            str(vendor): int((test["vendor"] == vendor).sum()) for vendor in sorted(set(crops["vendor"]))
        },
        test_with_finding={
            finding.name: int(finding.truth(pairs(test, finding.target).truth, scales).sum())
            for finding in FINDINGS
        },
        tbs_judged_patients=by_split(known(tables.patients, "tbs")),
        tbs_not_judged={
            f"BMI outside {low:g} to {high:g} kg/m2": int(bmi[unjudged.index].notna().sum()),
            "BMI not known": int(bmi[unjudged.index].isna().sum()),
        },
    )
