"""Reading what was sent: a DICOM folder or a NIfTI file, as facts to judge and a volume to measure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import ScanResult, SeriesFiles
from components.ingest_dicom.source import OpenedSource
from components.ingest_dicom.volume import Volume
from components.validate_dicom.check_series import check_series, outside_validated
from components.validate_dicom.series_choice import ChoiceRow, SeriesChoice, choice_row, choose, main_series
from models.refusal import Code, Refusal, RefusedError
from pipelines.gateway.nifti_study import read_nifti_facts
from pipelines.gateway.series_decisions import Decision, StudyRefusedError, of_ct_series, of_other_objects
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated, reconcile


@dataclass(frozen=True)
class Study:
    """One chosen series, judged by the rules of the training data (levels apart).

    Attributes
    ----------
    facts
        Columns of the series table, one value each; None where the source cannot declare.
    volume
        None when it cannot be read; the reason is then among the refusals.
    refusals
        By the training rules; VENDOR_UNVALIDATED is not among them but under `outside`.
    not_checked
        What the source does not declare.
    outside
        Why the study is answered as outside validated input.
    choice
        Which series was chosen and why, in words.
    decisions
        Every series of the study by its hash: taken or left, with codes or the rule that decided.
    segmentations
        DICOM SEG and RTSTRUCT files of the chosen series.
    frames_of_reference
        FrameOfReferenceUIDs of its slices; empty where it declares none.
    """

    facts: dict[str, object]
    volume: Volume | None
    refusals: tuple[Refusal, ...]
    not_checked: tuple[Code, ...]
    outside: tuple[Refusal, ...]
    choice: str
    series_instance_uid: str
    segmentations: tuple[Path, ...]
    declared: bool
    decisions: tuple[Decision, ...] = ()
    frames_of_reference: frozenset[str] = frozenset()


def read_study(
    image: Path | OpenedSource,
    stated: Stated,
    params: GatewayParams,
    pseudonymiser: Pseudonymiser,
    *,
    wanted_uids: frozenset[str],
) -> Study:
    """The series to be answered for.

    Parameters
    ----------
    image
        A folder of DICOM files (any names, any depth), one DICOM file, a NIfTI file, or an opened source.
    wanted_uids
        SeriesInstanceUIDs that the level file names; preferred when several series would do.

    Raises
    ------
    RefusedError
        When there is nothing to judge (no file, no CT series, several patients, a NIfTI that cannot be read);
        a `StudyRefusedError`, which has the decisions, once there is a series.
    """
    opened = image if isinstance(image, OpenedSource) else OpenedSource(image)
    if opened.folder.name.lower().endswith((".nii", ".nii.gz")):
        facts, nifti_volume = read_nifti_facts(opened.folder)
        facts, contradictions = reconcile(facts, stated)
        facts["kvp"] = stated.kvp
        study = _judged(facts, nifti_volume, params, declared=False, choice="one NIfTI volume")
        unchecked = tuple(code for code in study.not_checked if code is not Code.PIXELS_UNREADABLE)
        study = _with(study, [], not_checked=unchecked)  # a NIfTI file was read whole, or not at all
        missing = [] if stated.kvp else [Refusal(Code.KVP_MISSING, "a NIfTI file declares none; state --kvp")]
        return _with(study, [*contradictions, *missing])
    scan = opened.scan()
    if not scan.series:
        raise StudyRefusedError(
            *_nothing_but(scan), decisions=of_other_objects(scan.others, pseudonymiser, set())
        )
    alone = len(scan.series) == 1  # the usual case: decode once
    volume, problems = _volume(scan.series[0], params) if alone else (None, [])
    candidates = [_candidate(series, scan, stated, params, pseudonymiser, volume) for series in scan.series]
    patients = {study.facts["patient"] for study in candidates if not study.refusals}
    left = of_other_objects(scan.others, pseudonymiser, {str(study.facts["series"]) for study in candidates})
    if len(patients) > 1:
        mixed = Refusal(Code.MIXED_SERIES, f"usable series of {len(patients)} patients; send one study")
        lines = [
            of_ct_series(str(study.facts["series"]), study.refusals or [mixed], {}, taken=False)
            for study in candidates
        ]
        raise StudyRefusedError(mixed, decisions=(*lines, *left))
    best, others, decisions = _chosen(candidates, params, wanted_uids)
    decisions = (*decisions, *left)
    if not alone:
        places = [study.facts["series"] for study in candidates]
        files = scan.series[places.index(best.facts["series"])]
        volume, problems = _volume(files, params)
    known = {refusal.code for refusal in best.refusals}
    more = [refusal for refusal in problems if refusal.code not in known]
    choice = "the only CT series" if alone else _choice(best, others)
    return _with(best, more, volume=volume, choice=choice, decisions=decisions)


def with_contrast_looked_for(
    study: Study, centres_lps_mm: NDArray[np.float64], params: GatewayParams
) -> Study:
    """The study judged for contrast in the aorta, where the levels (N, 3) LPS mm say that the aorta must be.

    Nothing changes when the aorta was found without them, or is not found with them either.
    """
    if study.volume is None or Code.CONTRAST_BY_IMAGE not in study.not_checked:
        return study
    lumen_hu = aortic_lumen_hu(study.volume, centres_lps_mm)
    if math.isnan(lumen_hu):
        return study
    facts = {**study.facts, "contrast_image_hu": lumen_hu}
    verdict = check_series(pd.DataFrame([facts]), params.validate, declared=study.declared)
    found = [refusal for refusal in verdict.refusals if refusal.code is Code.CONTRAST_BY_IMAGE]
    rest = tuple(code for code in study.not_checked if code is not Code.CONTRAST_BY_IMAGE)
    return _with(study, found, facts=facts, not_checked=rest)


def _candidate(
    series: SeriesFiles,
    scan: ScanResult,
    stated: Stated,
    params: GatewayParams,
    pseudonymiser: Pseudonymiser,
    volume: Volume | None = None,
) -> Study:
    # levels are judged apart
    row = inspect_series(series, pseudonymiser, params.ingest, volume=volume, has_levels=True)
    facts, contradictions = reconcile(asdict(row), stated)
    study = _judged(facts, None, params, declared=True, choice="")
    uid = series.series_instance_uid
    return _with(
        study,
        contradictions,
        series_instance_uid=uid,
        segmentations=tuple(item.path for item in scan.level_objects(series)),
        frames_of_reference=frozenset(header.frame_of_reference_uid for header in series.files) - {""},
    )


def _judged(
    facts: dict[str, object], volume: Volume | None, params: GatewayParams, *, declared: bool, choice: str
) -> Study:
    frame = pd.DataFrame([facts])
    verdict = check_series(frame, params.validate, declared=declared)
    unvalidated = [item for item in verdict.refusals if item.code is Code.VENDOR_UNVALIDATED]
    return Study(
        facts=facts,
        volume=volume,
        refusals=tuple(item for item in verdict.refusals if item.code is not Code.VENDOR_UNVALIDATED),
        not_checked=tuple(verdict.not_checked),
        outside=(*unvalidated, *outside_validated(frame, params.validate, declared=declared)),
        choice=choice,
        series_instance_uid="",
        segmentations=(),
        declared=declared,
    )


def _with(study: Study, more: list[Refusal], **changes: object) -> Study:
    values = {**study.__dict__, "refusals": (*study.refusals, *more), **changes}
    return Study(**values)


def _chosen(
    candidates: list[Study], params: GatewayParams, wanted_uids: frozenset[str]
) -> tuple[Study, list[Study], tuple[Decision, ...]]:
    """The series to answer for by `validate.series_choice`, the others with their reasons, and a line for each.

    Where none may be measured it is the study's main series, which explains the refusal best.
    """
    rules = params.validate.series_choice
    found = choose([_choice_row(study, wanted_uids) for study in candidates if not study.refusals], rules)
    judged = [_with(study, _left_by_rule(study, found)) for study in candidates]
    taken = found.taken or main_series([_choice_row(study, wanted_uids) for study in judged], rules)
    best = next(study for study in judged if study.facts["series"] == taken)
    decisions = tuple(
        of_ct_series(str(study.facts["series"]), study.refusals, found.passed_over, taken=study is best)
        for study in sorted(judged, key=lambda study: (study is not best, str(study.facts["series"])))
    )
    others = [study for study in judged if study is not best]
    return best, others, decisions


def _choice_row(study: Study, wanted_uids: frozenset[str]) -> ChoiceRow:
    named = study.series_instance_uid in wanted_uids or bool(study.segmentations)
    return choice_row(study.facts, days_apart=math.nan, days_max=None, levels_named=named)


def _left_by_rule(study: Study, found: SeriesChoice) -> list[Refusal]:
    name = str(study.facts["series"])
    return [Refusal(Code.SERIES_EXCLUDED, found.excluded[name])] if name in found.excluded else []


def _volume(files: SeriesFiles, params: GatewayParams) -> tuple[Volume | None, list[Refusal]]:
    try:
        return read_volume(files, position_tolerance_mm=params.ingest.position_tolerance_mm), []
    except RefusedError as error:
        return None, list(error.refusals)


def _choice(best: Study, others: list[Study]) -> str:
    reasons = Counter(
        " ".join(refusal.code for refusal in study.refusals) or "usable, but less suited" for study in others
    )
    facts = best.facts
    passed_over = "; ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
    return (
        f"1 of {len(others) + 1} CT series: {facts['kernel_class']} kernel, {facts['slice_count']} slices every "
        f"{facts['slice_spacing_mm']:g} mm (passed over: {passed_over})"
    )


def _nothing_but(scan: ScanResult) -> list[Refusal]:
    """One refusal per kind of file when no CT series was found."""
    counts = Counter((other.code, other.kind) for other in scan.others)
    return [
        Refusal(code, f"{count} x {kind}, and no CT series") for (code, kind), count in sorted(counts.items())
    ]
