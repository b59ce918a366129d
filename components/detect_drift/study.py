"""One simulated study as the online path sees it: pixels cut and measured, not yet answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.vendor import kernel_class
from components.ingest_dicom.volume import AIR_HU, Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.image_statistics import image_statistics
from components.prepare_vertebrae.levels import VertebraLevel, spine_levels
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.unmeasurable import level_evidence, refused_levels, refused_spine
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.traffic import simulate_study
from models.refusal import Code, RefusedError, refuse


@dataclass(frozen=True, eq=False)
class TrafficStudy:
    """A study cut into crops.

    Attributes
    ----------
    study
        Hash that names it in the log.
    crops
        (L, C, H, W) int16 HU, one crop per level.
    statistics
        Image statistics by name (`components.prepare_vertebrae.image_statistics.STATISTICS`).
    """

    study: str
    vendor: str
    model: str
    kvp: float
    kernel_class: str
    slice_thickness_mm: float
    pixel_spacing_mm: float
    sex: str
    age_years: float
    crops: NDArray[np.int16]
    statistics: dict[str, float]

    def acquisition(self) -> NDArray[np.float32]:
        """(L, 3) float32: kVp, slice thickness mm, pixel spacing mm, for the model."""
        row = (self.kvp, self.slice_thickness_mm, self.pixel_spacing_mm)
        return np.tile(np.array(row, dtype=np.float32), (len(self.crops), 1))


def cut_study(
    *,
    index: int,
    seed: int,
    vendor: str,
    shift_hu: float,
    name: str,
    simulate: SimulateParams,
    prepare: PrepareParams,
) -> TrafficStudy:
    """Simulate study `index` of a vendor, shift its HU, then cut and measure it as a study that is received.

    Raises
    ------
    RefusedError
        SCOLIOSIS; LEVELS_TOO_FEW when fewer levels are in view and measurable than an answer needs.
    """
    made = simulate_study(index, seed, vendor, simulate)
    volume = shifted(Volume(np.maximum(made.hu, AIR_HU).astype(np.int16), made.affine), shift_hu)
    levels = spine_levels(made.centres_mm, prepare.levels, source="simulated study")
    if curved := refused_spine(levels, prepare.unmeasurable):
        raise RefusedError(*curved)
    unmeasurable = refused_levels(level_evidence(volume, levels, prepare.unmeasurable), prepare.unmeasurable)
    crops: list[NDArray[np.int16]] = []
    used: list[VertebraLevel] = []
    for level in levels:
        if level.name in unmeasurable:
            continue
        try:
            crops.append(
                extract_crops(
                    volume,
                    level,
                    prepare.geometry,
                    (0.0,),
                    coverage_tolerance_mm=prepare.coverage_tolerance_mm,
                )[0]
            )
        except RefusedError:
            continue  # the level is out of view; too few of them refuse the study below
        used.append(level)
    if len(used) < prepare.levels.minimum_levels:
        raise refuse(
            Code.LEVELS_TOO_FEW, f"{len(used)} evaluable levels in view ({len(unmeasurable)} unmeasurable)"
        )
    return TrafficStudy(
        study=name,
        vendor=made.vendor,
        model=made.model,
        kvp=made.kvp,
        kernel_class=kernel_class(made.vendor, made.kernel),
        slice_thickness_mm=made.slice_thickness_mm,
        pixel_spacing_mm=made.pixel_spacing_mm,
        sex=made.sex,
        age_years=made.age_years,
        crops=np.stack(crops),
        statistics=image_statistics(volume, used, prepare.trabecular),
    )


def shifted(volume: Volume, shift_hu: float) -> Volume:
    """The volume of a scanner whose calibration is off by `shift_hu`; padding stays padding."""
    if shift_hu == 0:
        return volume
    moved = np.clip(volume.hu.astype(np.int32) + round(shift_hu), AIR_HU, np.iinfo(np.int16).max)
    return replace(volume, hu=np.where(volume.hu <= AIR_HU, AIR_HU, moved).astype(np.int16))
