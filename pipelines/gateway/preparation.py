"""From a study to crops: levels, coverage, and everything that speaks against an answer, gathered."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.source import OpenedSource
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.centre_table import series_named_in
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.image_statistics import image_statistics
from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.levels import Spine, VertebraLevel, check_in_view
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.trabecular import trabecular_hu
from components.prepare_vertebrae.unmeasurable import (
    level_evidence,
    refused_levels,
    refused_spine,
    unread_heights,
)
from components.prepare_vertebrae.wanted_series import WantedSeries
from components.segment_levels.engine import SUFFIX, EngineFailedError, segment_volume
from models.crop_store import CropGeometry
from models.levels import LEVELS
from models.refusal import Code, Refusal, RefusedError, refuse
from pipelines.gateway.series_decisions import StudyRefusedError
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from pipelines.gateway.study import Study, read_study, with_contrast_looked_for


@dataclass(frozen=True)
class LevelCrop:
    """One level ready for the model.

    Attributes
    ----------
    hu
        (C, H, W) int16 HU.
    """

    level: VertebraLevel
    hu: NDArray[np.int16]
    trabecular_hu: float


@dataclass(frozen=True)
class PreparedStudy:
    """A study with its crops, or with the reasons why it gets no answer.

    Attributes
    ----------
    levels
        Levels as read, whether or not their crops could be taken.
    crops
        In the order L1-L4.
    left_out
        Levels of L1-L4 without a crop, and why.
    unmeasurable
        Levels that the image says must not be measured.
    refusals
        Empty when the study may be answered.
    """

    study: Study
    geometry: CropGeometry
    levels: tuple[VertebraLevel, ...]
    crops: tuple[LevelCrop, ...]
    left_out: tuple[tuple[str, Refusal], ...]
    refusals: tuple[Refusal, ...]
    statistics: dict[str, float]
    unmeasurable: Mapping[str, Refusal]

    def require_acceptable(self) -> None:
        """Raise every refusal at once.

        Raises
        ------
        StudyRefusedError
        """
        if self.refusals:
            raise StudyRefusedError(*self.refusals, decisions=self.study.decisions)


def prepare_study(
    image: Path | OpenedSource,
    stated: Stated,
    params: GatewayParams,
    pseudonymiser: Pseudonymiser,
    *,
    level_file: Path | None = None,
    scheme: str | None = None,
) -> PreparedStudy:
    """Read, judge and crop a study; refusals are part of the result, so that a figure can still be drawn.

    Raises
    ------
    RefusedError
        When there is nothing to judge at all.
    """
    wanted = series_named_in(level_file) if level_file is not None else frozenset()
    study = read_study(image, stated, params, pseudonymiser, wanted_uids=wanted)
    refusals: list[Refusal] = []
    geometry = params.prepare.geometry
    levels: tuple[VertebraLevel, ...] = ()
    try:
        spine = _spine(study, level_file, scheme, params)
        levels = spine.levels
        study = replace(study, outside=(*study.outside, *spine.flags))
        if study.volume is not None:
            check_in_view(levels, study.volume, source="levels")
            centres = np.array([level.centre_lps_mm for level in levels])
            study = with_contrast_looked_for(study, centres, params)
            refusals.extend(refused_spine(levels, params.prepare.unmeasurable))
    except RefusedError as error:
        refusals.extend(error.refusals)
    refusals = [*study.refusals, *refusals]
    crops: tuple[LevelCrop, ...] = ()
    left_out: tuple[tuple[str, Refusal], ...] = ()
    unmeasurable: dict[str, Refusal] = {}
    statistics: dict[str, float] = {}
    if study.volume is not None and levels:
        evidence = level_evidence(study.volume, levels, params.prepare.unmeasurable)
        unmeasurable = refused_levels(evidence, params.prepare.unmeasurable)
        crops, left_out = crop_levels(study.volume, levels, params.prepare, geometry, unmeasurable)
        unread = unread_heights(evidence, (crop.level.name for crop in crops))
        located = {refusal.code for refusal in refusals}
        if len(crops) < params.prepare.levels.minimum_levels and Code.LEVELS_NOT_IN_VIEW not in located:
            reasons = "; ".join(f"{name} {refusal.found}" for name, refusal in left_out)
            refusals.append(Refusal(Code.LEVELS_TOO_FEW, f"{len(crops)} evaluable levels ({reasons})"))
        if crops:
            used = [crop.level for crop in crops]
            statistics = image_statistics(study.volume, used, params.prepare.trabecular)
        study = replace(study, outside=(*study.outside, *unread))
    return PreparedStudy(study, geometry, levels, crops, left_out, tuple(refusals), statistics, unmeasurable)


def crop_levels(
    volume: Volume,
    levels: tuple[VertebraLevel, ...],
    params: PrepareParams,
    geometry: CropGeometry,
    unmeasurable: Mapping[str, Refusal],
) -> tuple[tuple[LevelCrop, ...], tuple[tuple[str, Refusal], ...]]:
    """Crops at the body centres, by the very function that made the training crops, and what was left out.

    `unmeasurable`: why a level must not be measured, by name.
    """
    crops = []
    named = {level.name: level for level in levels}
    left_out = []
    for name in LEVELS:
        if name not in named:
            left_out.append((name, Refusal(Code.LEVELS_MISSING, f"{name} is not among the levels")))
            continue
        level = named[name]
        try:
            hu = extract_crops(
                volume,
                level,
                geometry,
                (0.0,),
                coverage_tolerance_mm=params.coverage_tolerance_mm,
            )[0]
        except RefusedError as error:
            left_out.append((name, error.refusals[0]))
            continue
        if name in unmeasurable:
            left_out.append((name, unmeasurable[name]))
            continue
        crops.append(LevelCrop(level, hu, trabecular_hu(volume, level, params.trabecular)))
    return tuple(crops), tuple(left_out)


def _spine(study: Study, level_file: Path | None, scheme: str | None, params: GatewayParams) -> Spine:
    if level_file is None and not study.segmentations:
        return _segmented_spine(study, params)
    if level_file is None and len(study.segmentations) > 1:
        found = (
            f"{len(study.segmentations)} DICOM SEG or RTSTRUCT came with the series; name one with --levels"
        )
        raise refuse(Code.LEVELS_AMBIGUOUS, found)
    path = level_file or study.segmentations[0]
    wanted = WantedSeries(study.series_instance_uid, study.frames_of_reference)
    return read_spine(path, params.prepare.levels, scheme=scheme, wanted=wanted, volume=study.volume)


def _segmented_spine(study: Study, params: GatewayParams) -> Spine:
    """Levels by the site's engine; it is not asked about a study that is refused anyway."""
    found = "none is given and no DICOM SEG or RTSTRUCT came with the series"
    if params.segment.engine is None or study.volume is None or study.refusals:
        raise refuse(Code.LEVELS_MISSING, found)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"engine{SUFFIX}")
        try:
            segment_volume(study.volume, path, params.segment)
        except EngineFailedError as error:
            raise refuse(Code.LEVELS_MISSING, f"{found}; {error}") from error
        return read_spine(path, params.prepare.levels, volume=study.volume)
