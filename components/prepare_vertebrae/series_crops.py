"""From one accepted series to its crops and index rows, or to a coded refusal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import SeriesFiles, series_from_paths
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.accepted_table import AcceptedSeries, LevelLabel
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.image_statistics import image_statistics
from components.prepare_vertebrae.label_map import scheme_in_name
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
from models.levels import LEVELS
from models.refusal import Code, Refusal, RefusedError, refuse


@dataclass(frozen=True)
class LeftOut:
    """A level, or with level "" a whole series, that gives no crop."""

    level: str
    refusal: Refusal


@dataclass(frozen=True)
class SeriesCrops:
    """What one series gave.

    Attributes
    ----------
    crops
        (C, H, W) int16 HU each.
    rows
        Index rows (`models.crop_store.INDEX_COLUMNS`), one per crop.
    left_out
        Every level of L1-L4 that is not among the rows, or one entry for the series.
    statistics
        `image_statistics` of the series; empty when it was refused.
    flags
        What a person should know about the numbering of the levels, and levels in which no fracture could be
        looked for; they were used all the same.
    """

    series: str
    patient: str
    vendor: str
    crops: list[NDArray[np.int16]] = field(default_factory=list)
    rows: list[dict[str, object]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)
    flags: list[Refusal] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the series gives nothing at all."""
        return not self.rows


def lateral_offsets_mm(split: str, params: PrepareParams) -> tuple[float, ...]:
    """Three positions a vertebra for training, one otherwise."""
    if split == "train":
        return (0.0, -params.lateral_offset_mm, params.lateral_offset_mm)
    return (0.0,)


def prepare_series(accepted: AcceptedSeries, split: str, params: PrepareParams) -> SeriesCrops:
    """Crops of one accepted series; a refusal is part of the result, not an exception."""
    try:
        return _prepare(accepted, split, params)
    except RefusedError as error:
        left_out = [LeftOut("", refusal) for refusal in error.refusals]
        return SeriesCrops(accepted.series, accepted.patient, accepted.vendor, left_out=left_out)


def _spine(accepted: AcceptedSeries, files: SeriesFiles, volume: Volume, params: PrepareParams) -> Spine:
    """Levels of the series; refusals do not name the file, which a site calls after its patient."""
    path = accepted.level_file
    assert path is not None
    try:
        return read_spine(
            path,
            params.levels,
            scheme=scheme_in_name(path) or params.level_scheme,
            wanted=wanted_series(files),
            volume=volume,
        )
    except RefusedError as error:
        raise RefusedError(*(_unnamed(item, path) for item in error.refusals)) from None


def wanted_series(files: SeriesFiles) -> WantedSeries:
    """The identity that levels are matched by."""
    frames = frozenset(header.frame_of_reference_uid for header in files.files) - {""}
    return WantedSeries(files.series_instance_uid, frames)


def _unnamed(refusal: Refusal, path: Path) -> Refusal:
    return Refusal(refusal.code, refusal.found.replace(path.name, "level file"))


def _prepare(accepted: AcceptedSeries, split: str, params: PrepareParams) -> SeriesCrops:
    if accepted.level_file is None:
        if accepted.competing_level_files:
            found = f"{accepted.competing_level_files} DICOM objects name levels of this series; keep one"
            raise refuse(Code.LEVELS_AMBIGUOUS, found)
        raise refuse(
            Code.LEVELS_MISSING, "no SEG, RTSTRUCT, label map or table of centres, and none from an engine"
        )
    files = series_from_paths(accepted.files)
    volume = read_volume(files)
    spine = _spine(accepted, files, volume, params)
    result = prepare_volume(volume, spine.levels, accepted, split, params)
    result.flags.extend(_unnamed(flag, accepted.level_file) for flag in spine.flags)
    return result


def prepare_volume(
    volume: Volume,
    levels: tuple[VertebraLevel, ...],
    accepted: AcceptedSeries,
    split: str,
    params: PrepareParams,
) -> SeriesCrops:
    """Crops, rows and statistics of a volume, wherever it comes from.

    Raises
    ------
    RefusedError
        LEVELS_NOT_IN_VIEW, LEVELS_TOO_FEW, SCOLIOSIS.
    """
    check_in_view(levels, volume, source="level file")
    if curved := refused_spine(levels, params.unmeasurable):
        raise RefusedError(*curved)
    evidence = level_evidence(volume, levels, params.unmeasurable)
    unmeasurable = refused_levels(evidence, params.unmeasurable)
    offsets_mm = lateral_offsets_mm(split, params)
    named = {level.name: level for level in levels}
    result = SeriesCrops(accepted.series, accepted.patient, accepted.vendor)
    used: list[VertebraLevel] = []
    for name in LEVELS:
        crops = _level_crops(volume, named.get(name), accepted.labels[name], offsets_mm, params, name)
        if not isinstance(crops, Refusal):
            crops = unmeasurable.get(name, crops)
        if isinstance(crops, Refusal):
            result.left_out.append(LeftOut(name, crops))
            continue
        level, label = named[name], accepted.labels[name]
        used.append(level)
        level_facts = {
            "level": name,
            "split": split,
            "trabecular_hu": trabecular_hu(volume, level, params.trabecular),
            "bmd_g_cm2": label.bmd_g_cm2,
            "tbs": label.tbs,
        }
        for crop, offset_mm in zip(crops, offsets_mm, strict=True):
            result.crops.append(crop)
            result.rows.append({**accepted.facts, **level_facts, "lateral_offset_mm": offset_mm})
    if len(used) < params.levels.minimum_levels:
        reasons = "; ".join(f"{item.level} {item.refusal.code}" for item in result.left_out)
        raise refuse(Code.LEVELS_TOO_FEW, f"{len(used)} evaluable levels ({reasons})")
    result.flags.extend(unread_heights(evidence, (level.name for level in used)))
    result.statistics.update(image_statistics(volume, used, params.trabecular))
    for row in result.rows:
        row["noise_hu"] = result.statistics["noise_hu"]
    return result


def _level_crops(
    volume: Volume,
    level: VertebraLevel | None,
    label: LevelLabel,
    offsets_mm: tuple[float, ...],
    params: PrepareParams,
    name: str,
) -> NDArray[np.int16] | Refusal:
    """Crops (K, C, H, W) of one level, or why there are none."""
    if label.invalid:
        return Refusal(Code.DXA_LEVEL_INVALID, f"{name} is marked not evaluable in the DXA table")
    if math.isnan(label.bmd_g_cm2) or math.isnan(label.tbs):
        return Refusal(Code.DXA_VALUE_MISSING, f"{name} has no BMD or no TBS")
    if level is None:
        return Refusal(Code.LEVELS_MISSING, f"{name} is not in the level file")
    try:
        return extract_crops(
            volume,
            level,
            params.geometry,
            offsets_mm,
            coverage_tolerance_mm=params.coverage_tolerance_mm,
        )
    except RefusedError as error:
        return error.refusals[0]
