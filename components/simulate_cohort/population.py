"""Phantoms without their CT: one row each of labels, latents and expected HU, for the report and the calibration.

Patient `k` of seed `s` is the very patient that `osteogate simulate` makes of them, on the same scanner. HU is what
the trabecular core is expected to measure there, without noise: rendering would cost twenty times as much.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.simulate_cohort import constants as c
from components.simulate_cohort.attenuation import hu_table
from components.simulate_cohort.dxa import DxaScan, scan
from components.simulate_cohort.dxa_exam import evaluable_levels
from components.simulate_cohort.latents import CORE_SHARE, patient_latents
from components.simulate_cohort.mineral_field import MineralField, build_field
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient import draw_patient
from components.simulate_cohort.scanner import Acquisition, draw_acquisition, vendor_order
from components.simulate_cohort.tbs import raw_slopes, tbs_from_slope
from models.levels import LEVELS

PATIENTS_PER_PART = 10
PIXEL_CM2 = c.DXA_PIXEL_X_MM * c.DXA_PIXEL_Z_MM / 100.0


@dataclass(frozen=True)
class PopulationPart:
    """Some consecutive patients of a seed, with the vendor of each."""

    seed: int
    purpose: str
    first: int
    vendors: tuple[str, ...]
    params: SimulateParams


def core_mineral_mg_cc(field: MineralField, level: str) -> float:
    """Mean mineral of the trabecular core that `latents.trabecular_hu` measures in an image."""
    body = field.stack.vertebrae[level]
    box = next(box for box in field.of("body") if box.level == level)
    reach = CORE_SHARE * body.half_mm + 3.0  # the core leans out of this box by less than 3 mm
    near = [
        np.flatnonzero(np.abs(axis - centre) < half)
        for axis, centre, half in zip(
            (box.x_mm, box.y_mm, box.z_mm), body.centre_mm.tolist(), reach.tolist(), strict=True
        )
    ]
    dx, dy, dz = (
        axis[kept] - centre
        for axis, kept, centre in zip((box.x_mm, box.y_mm, box.z_mm), near, body.centre_mm, strict=True)
    )
    u, v, w = (
        (axis[0] * dx[None, None, :] + axis[1] * dy[None, :, None] + axis[2] * dz[:, None, None]) / half
        for axis, half in zip(body.axes, body.half_mm, strict=True)
    )
    core = (u * u + v * v < CORE_SHARE**2) & (np.abs(w) < CORE_SHARE)
    return float(box.mineral_mg_cc[np.ix_(near[2], near[1], near[0])][core].mean())


def expected_hu(mineral_mg_cc: float, marrow_fat: float, acquisition: Acquisition) -> float:
    """HU of this much mineral in this marrow on this scanner."""
    table = hu_table(acquisition.kvp)
    marrow = marrow_fat * table.tissue_hu["yellow_marrow"] + (1 - marrow_fat) * table.tissue_hu["red_marrow"]
    return acquisition.scale * (table.hu_per_mg_cc * mineral_mg_cc + marrow) + acquisition.offset_hu


def _labels(image: DxaScan, suffix: str) -> dict[str, float]:
    slopes = raw_slopes(image)
    slope = float(np.mean(list(slopes.values())))
    return {
        f"bmd{suffix}": image.bmd_total_g_cm2,
        f"slope{suffix}": slope,
        f"tbs{suffix}": tbs_from_slope(slope),
        **{f"bmd_{level}{suffix}": image.bmd_g_cm2(level) for level in LEVELS},
        **{f"slope_{level}{suffix}": slopes[level] for level in LEVELS},
    }


def population_row(part: PopulationPart, number: int) -> dict[str, float | str]:
    """One phantom: who, latents, two DXA examinations (the second laid down anew), expected HU."""
    patient = draw_patient(part.first + number, part.seed, purpose=part.purpose)
    field = build_field(patient)
    acquisition = draw_acquisition(
        patient.stream("acquisition"),
        part.vendors[number],
        bmi=patient.bmi,
        matrix=part.params.matrix,
        pixel_range_mm=part.params.pixel_spacing_mm,
    )
    image = scan(field)
    cores = [expected_hu(core_mineral_mg_cc(field, lv), patient.marrow_fat, acquisition) for lv in LEVELS]
    return {
        "index": patient.index,
        **patient_latents(patient),
        "evaluable_levels": len(evaluable_levels(field)),
        "vendor": acquisition.vendor,
        "kvp": acquisition.kvp,
        "noise_sd_hu": acquisition.noise_sd_hu,
        **_labels(image, ""),
        **_labels(scan(field, repeat=1), "_again"),
        "posterior_share": image.posterior_share,
        "area_cm2": sum(int(region.sum()) for region in image.regions.values()) * PIXEL_CM2,
        "hu": float(np.mean(cores)),
        "hu_l1": cores[0],
    }


def _part_rows(part: PopulationPart, path: Path) -> pd.DataFrame:
    """Rows of one part, kept in `path`."""
    with threadpool_limits(1):
        rows = pd.DataFrame([population_row(part, number) for number in range(len(part.vendors))])
    beside = path.with_suffix(".partial")
    rows.to_parquet(beside)
    beside.rename(path)
    return rows


def _source_sha256(part: PopulationPart) -> str:
    """Changes with any line of the simulator: rows of different simulators are never mixed."""
    digest = hashlib.sha256(part.params.model_dump_json().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def draw_population(
    patients: int,
    seed: int,
    params: SimulateParams,
    *,
    keep: Path,
    purpose: str = "cohort",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate `patients` phantoms without CT, ordered by index; the same whatever the number of workers.

    Parameters
    ----------
    keep
        Folder of finished parts; an interrupted call goes on from there, unless the simulator was changed.
    purpose
        Name of the random streams: "cohort" as `osteogate simulate`, "calibration" for what constants are fitted on.
    progress
        Called with (patients done, patients).
    """
    vendors = vendor_order(patients, seed, params.vendor_mix)
    parts = [
        PopulationPart(seed, purpose, first, tuple(vendors[first : first + PATIENTS_PER_PART]), params)
        for first in range(0, patients, PATIENTS_PER_PART)
    ]
    folder = keep / f"{purpose}-{seed}-{patients}-{_source_sha256(parts[0])[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part.first: folder / f"{part.first:06d}.parquet" for part in parts}
    done = sum(len(part.vendors) for part in parts if paths[part.first].exists())
    missing = [part for part in parts if not paths[part.first].exists()]
    for rows in _parallel([(part, paths[part.first]) for part in missing], workers or os.cpu_count() or 1):
        done += len(rows)
        if progress is not None:
            progress(done, patients)
    return pd.concat([pd.read_parquet(path) for path in paths.values()], ignore_index=True)


def _parallel(tasks: list[tuple[PopulationPart, Path]], workers: int) -> Iterator[pd.DataFrame]:
    if min(workers, len(tasks)) <= 1:
        yield from (_part_rows(*task) for task in tasks)
        return
    with ProcessPoolExecutor(min(workers, len(tasks)), multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_part_rows, *task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
