"""What truth/latents.csv says about a patient: the hidden values behind the labels, for ceiling analyses."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from components.simulate_cohort.ct import CtImage
from components.simulate_cohort.dxa_exam import DxaExam
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.scanner import Acquisition
from models.levels import LEVELS

CORE_SHARE = 0.55  # of the half axes: the trabecular ellipse that a reader would draw


def trabecular_hu(field: MineralField, image: CtImage, level: str) -> float:
    """Mean HU in the trabecular core of a body, placed by the truth."""
    body = field.stack.vertebrae[level]
    box = ndimage.find_objects(image.labels, len(LEVELS))[LEVELS.index(level)]
    if box is None:
        return float("nan")
    corner = [side.start for side in box]
    pixels = np.argwhere(image.labels[box] == LEVELS.index(level) + 1) + corner
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
    places = (homogeneous @ image.affine.T)[:, :3] - image.offset_mm - body.centre_mm
    local = (places @ body.axes.T) / body.half_mm
    core = (np.square(local[:, :2]).sum(axis=1) < CORE_SHARE**2) & (np.abs(local[:, 2]) < CORE_SHARE)
    if not core.any():
        return float("nan")
    s, r, k = pixels[core].T
    return float(image.hu[s, r, k].mean())


def patient_latents(patient: Patient) -> dict[str, float | str]:
    """Everything drawn for a patient as a whole that the field is built from or the DXA scan depends on."""
    return {
        "sex": patient.sex,
        "is_female": float(patient.sex == "F"),  # for regressions, which look at numbers only
        "age_years": patient.age_years,
        "bmi_kg_m2": patient.bmi,
        "height_cm": patient.height_cm,
        "vbmd_mg_cc": patient.vbmd_mg_cc,
        "micro": patient.micro,
        "quality": patient.quality,
        "shell_mm": patient.shell_mm,
        "posterior_mg_cc": patient.posterior_mg_cc,
        "marrow_fat": patient.marrow_fat,
        "degeneration": patient.degeneration,
        "size": patient.size,
        "lordosis": patient.lordosis,
        "sway_mm": patient.sway_mm,
        **{f"vbmd_{level.lower()}_mg_cc": patient.level_vbmd_mg_cc[level] for level in LEVELS},
    }


def _text(value: float | str) -> str:
    """Five significant digits, the same on every machine; empty where there is no value."""
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else f"{value:.5g}"


def latent_row(
    field: MineralField,
    exam: DxaExam,
    acquisition: Acquisition,
    image: CtImage | None,
    pid: str,
    defect: str | None,
) -> dict[str, str]:
    """One row; numbers as text so that the file does not depend on a table library's formatting."""
    patient = field.patient
    row = {
        "patient_id": pid,
        "vendor": acquisition.vendor,
        "kvp": f"{acquisition.kvp:g}",
        "slice_thickness_mm": f"{acquisition.protocol.slice_thickness_mm:g}",
        "kernel": acquisition.protocol.kernel,
        "noise_sd_hu": f"{acquisition.noise_sd_hu:.3f}",
        "scale": f"{acquisition.scale:.5f}",
        "offset_hu": f"{acquisition.offset_hu:.3f}",
        "defect": defect or "",
        **{name: _text(value) for name, value in patient_latents(patient).items()},
        "posterior_share": f"{exam.scan.posterior_share:.4f}",
        "hologic_bmd_l1_l4_g_cm2": _text(exam.bmd_total_g_cm2),
        "true_tbs_l1_l4": _text(exam.tbs_total),
    }
    for level in LEVELS:
        row[f"hologic_bmd_{level.lower()}_g_cm2"] = f"{exam.scan.bmd_g_cm2(level):.4f}"
        row[f"true_tbs_{level.lower()}"] = f"{exam.tbs[level]:.4f}"
        value = float("nan") if image is None else trabecular_hu(field, image, level)
        row[f"trabecular_hu_{level.lower()}"] = "" if np.isnan(value) else f"{value:.2f}"
    return row
