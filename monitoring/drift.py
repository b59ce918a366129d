"""Per-vendor drift: reference against current, each vendor's verdict read from its Evidently report."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import structlog

from monitoring.comparison import Comparison, compare
from monitoring.features import FEATURES
from monitoring.params import MonitorParams
from monitoring.vendor_report import read_verdicts, run_report, save_report
from monitoring.verdict import Judgement, Status, VendorVerdict
from monitoring.workspace import add_to_workspace

_log = structlog.get_logger()


def judge(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    params: MonitorParams,
    *,
    out: Path | None = None,
    workspace: Path | None = None,
    moment: datetime | None = None,
    notice: str = "",
) -> Judgement:
    """Compare two periods vendor by vendor.

    The chance of naming any vendor when nothing moved is held to `params.family_alpha` by sharing it out over
    every test of every vendor (Bonferroni). That threshold goes into each Evidently report, so that a report
    and its verdict cannot disagree.

    Parameters
    ----------
    reference, current
        One row per study with `vendor` and the columns of `FEATURES`; either may be empty.
    out
        Folder for `<vendor>.html` and `<vendor>.json` of Evidently.
    workspace
        Evidently workspace to which each report is added, for its own UI.
    moment
        Time stamped on the reports; now unless given.
    notice
        Put on each report: what its numbers are not.

    Raises
    ------
    ValueError
        A monitored column is absent from a frame that has rows.
    """
    moment = moment or datetime.now(UTC)
    before, after = _by_vendor("reference", reference), _by_vendor("current", current)
    names = sorted(set(before) | set(after))
    settled: dict[str, VendorVerdict] = {}
    comparisons: dict[str, Comparison] = {}
    for vendor in names:
        counts = len(before.get(vendor, ())), len(after.get(vendor, ()))
        verdict = _without_testing(vendor, *counts, params.minimum_studies)
        if verdict is not None:
            settled[vendor] = verdict
        else:
            comparisons[vendor] = compare(before[vendor], after[vendor], params.minimum_studies)
    tests = sum(comparison.tests for comparison in comparisons.values())
    threshold = params.family_alpha / max(tests, 1)
    stems = _file_stems(list(comparisons))
    for vendor, comparison in comparisons.items():
        if comparison.tests == 0:
            reason = "no monitored feature has values enough"
            settled[vendor] = VendorVerdict(
                vendor, Status.NOT_JUDGED, len(comparison.reference), len(comparison.current), reason=reason
            )
            continue
        snapshot = run_report(comparison, threshold, vendor, moment, notice)
        report = save_report(snapshot, out, stems[vendor], notice) if out is not None else ""
        if workspace is not None:
            add_to_workspace(workspace, vendor, snapshot)
        features = read_verdicts(snapshot, comparison)
        status = Status.DRIFT if any(feature.drifted for feature in features) else Status.STABLE
        settled[vendor] = VendorVerdict(
            vendor, status, len(comparison.reference), len(comparison.current), features, report
        )
    for vendor in names:
        verdict = settled[vendor]
        _log.info("drift.vendor", vendor=vendor, status=verdict.status.value, studies=verdict.current_n)
    return Judgement(tuple(settled[vendor] for vendor in names), params.family_alpha, tests, threshold)


def _by_vendor(name: str, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if frame.empty:
        return {}
    missing = [
        column for column in ("vendor", *(item.name for item in FEATURES)) if column not in frame.columns
    ]
    if missing:
        raise ValueError(f"{name} period without column(s) {', '.join(missing)}")
    return {str(vendor): rows for vendor, rows in frame.groupby(frame["vendor"].fillna(""))}


def _without_testing(vendor: str, reference_n: int, current_n: int, minimum: int) -> VendorVerdict | None:
    """The verdict where counts alone give it."""
    if reference_n == 0:
        reason = f"{current_n} studies of a vendor that the reference does not hold"
        return VendorVerdict(vendor, Status.NEW_VENDOR, 0, current_n, reason=reason)
    if current_n == 0:
        reason = f"no study in the current period ({reference_n} in the reference)"
    elif min(reference_n, current_n) < minimum:
        reason = f"{current_n} studies against {reference_n}; at least {minimum} needed in each"
    else:
        return None
    return VendorVerdict(vendor, Status.NOT_JUDGED, reference_n, current_n, reason=reason)


def _file_stems(vendors: list[str]) -> dict[str, str]:
    """A file name per vendor; the vendor's name is free text of a DICOM header."""
    stems: dict[str, str] = {}
    for vendor in vendors:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", vendor).strip("_")[:40] or "no_vendor"
        stem, number = plain, 2
        while stem.lower() in {taken.lower() for taken in (*stems.values(), "index", "drift")}:
            stem, number = f"{plain}_{number}", number + 1
        stems[vendor] = stem
    return stems
