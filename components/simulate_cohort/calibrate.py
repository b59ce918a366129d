"""The calibration cohort: what the frozen constants were fitted on, and the statistics they give.

Run `python -m components.simulate_cohort.calibrate [patients] [seed]` to see the table. Nothing here writes
constants: a change of constants.py is made by hand, with its source.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from components.simulate_cohort import constants as c
from components.simulate_cohort.attenuation import hu_table
from components.simulate_cohort.dxa import scan
from components.simulate_cohort.mineral_field import MineralField, build_field
from components.simulate_cohort.patient import draw_patient
from components.simulate_cohort.scanner import Acquisition, draw_acquisition, vendor_order
from components.simulate_cohort.tbs import raw_slopes
from models.levels import LEVELS

# Young women's L1-L4 on the Hologic scale (NHANES III style reference, Hologic APEX): mean 1.047, SD 0.110 g/cm2
REFERENCE_MEAN_G_CM2, REFERENCE_SD_G_CM2 = 1.047, 0.110


def _core_mineral_mg_cc(field: MineralField, level: str) -> float:
    """Mean mineral in the middle half of a body's box: what a reader's trabecular ellipse holds."""
    box = next(box for box in field.of("body") if box.level == level)
    z, y, x = box.mineral_mg_cc.shape
    part = np.s_[int(z * 0.36) : int(z * 0.64), int(y * 0.32) : int(y * 0.55), int(x * 0.32) : int(x * 0.68)]
    return float(box.mineral_mg_cc[part].mean())


def _expected_hu(mineral_mg_cc: float, marrow_fat: float, acquisition: Acquisition) -> float:
    table = hu_table(acquisition.kvp)
    marrow = marrow_fat * table.tissue_hu["yellow_marrow"] + (1 - marrow_fat) * table.tissue_hu["red_marrow"]
    return acquisition.scale * (table.hu_per_mg_cc * mineral_mg_cc + marrow) + acquisition.offset_hu


def calibration_table(patients: int, seed: int = c.CALIBRATION_SEED, *, repeat: bool = False) -> pd.DataFrame:
    """One row per patient, without rendering a CT (HU is the expected value of the trabecular core).

    `repeat` adds a second DXA exposure (bmd_again, slope_again) for precision.
    """
    vendors = vendor_order(patients, seed, {"GE": 1.0, "Siemens": 1.0, "Philips": 1.0, "Canon": 1.0})
    rows = []
    for index in range(patients):
        patient = draw_patient(index, seed, purpose="calibration")
        field = build_field(patient)
        image = scan(field)
        slopes = raw_slopes(image)
        acquisition = draw_acquisition(
            patient.stream("acquisition"),
            vendors[index],
            bmi=patient.bmi,
            matrix=256,
            pixel_range_mm=(0.55, 0.8),
        )
        cores = [
            _expected_hu(_core_mineral_mg_cc(field, lv), patient.marrow_fat, acquisition) for lv in LEVELS
        ]
        row = {
            "sex": patient.sex,
            "age": patient.age_years,
            "bmi": patient.bmi,
            "vbmd": patient.vbmd_mg_cc,
            "micro": patient.micro,
            "noise": acquisition.noise_sd_hu,
            "bmd": image.bmd_total_g_cm2,
            "posterior_share": image.posterior_share,
            "slope": float(np.mean(list(slopes.values()))),
            "hu": float(np.mean(cores)),
            "hu_l1": cores[0],
            **{f"bmd_{level}": image.bmd_g_cm2(level) for level in LEVELS},
            **{f"slope_{level}": slopes[level] for level in LEVELS},
            "area": sum(int(region.sum()) for region in image.regions.values()) * 0.005,
        }
        if repeat:
            again = scan(field, repeat=1)
            row["bmd_again"] = again.bmd_total_g_cm2
            row["slope_again"] = float(np.mean(list(raw_slopes(again).values())))
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["tbs"] = c.TBS_OFFSET + c.TBS_SLOPE * frame["slope"]
    return frame


def statistics(frame: pd.DataFrame) -> dict[str, float]:
    """The statistics of cohort.md that a calibration table gives."""
    t_score = (frame["bmd"] - REFERENCE_MEAN_G_CM2) / REFERENCE_SD_G_CM2
    women = frame[frame["sex"] == "F"]
    men = frame[frame["sex"] == "M"]
    out = {
        "bmd_mean": frame["bmd"].mean(),
        "bmd_sd": frame["bmd"].std(),
        "bmd_women_50_59": women.loc[women["age"].between(50, 60), "bmd"].mean(),
        "bmd_sd_women_50_59": women.loc[women["age"].between(50, 60), "bmd"].std(),
        "bmd_women_70_79": women.loc[women["age"].between(70, 80), "bmd"].mean(),
        "bmd_men": men["bmd"].mean(),
        "bmd_men_over_65": men.loc[men["age"] > 65, "bmd"].mean(),
        "bmd_sd_men": men["bmd"].std(),
        "normal": float((t_score > -1.0).mean()),
        "osteopenia": float(((t_score <= -1.0) & (t_score > -2.5)).mean()),
        "osteoporosis": float((t_score <= -2.5).mean()),
        "posterior_share": frame["posterior_share"].mean(),
        "posterior_share_sd": frame["posterior_share"].std(),
        "slope_mean": frame["slope"].mean(),
        "slope_sd": frame["slope"].std(),
        "tbs_mean": frame["tbs"].mean(),
        "tbs_sd": frame["tbs"].std(),
        "r_tbs_bmd": frame["slope"].corr(frame["bmd"]),
        "r_tbs_age": frame["slope"].corr(frame["age"]),
        "r_tbs_bmi": frame["slope"].corr(frame["bmi"]),
        "r_tbs_micro": frame["slope"].corr(frame["micro"]),
        "r_tbs_hu": frame["slope"].corr(frame["hu"]),
        "r_hu_bmd": frame["hu"].corr(frame["bmd"]),
        "r_hu_age": frame["hu"].corr(frame["age"]),
        "hu_l1_under_45": frame.loc[frame["age"] < 45, "hu_l1"].mean(),
        "hu_l1_55_65": frame.loc[frame["age"].between(55, 65), "hu_l1"].mean(),
        "hu_l1_over_70": frame.loc[frame["age"] > 70, "hu_l1"].mean(),
        "hu_l1_per_year": float(np.polyfit(frame["age"], frame["hu_l1"], 1)[0]),
        "area_l1_l4_cm2": frame["area"].mean(),
    }
    for level in LEVELS:
        out[f"bmd_ratio_{level}"] = frame[f"bmd_{level}"].mean() / frame["bmd_L1"].mean()
    for q in (5, 50, 95):
        out[f"noise_{q}"] = float(np.percentile(frame["noise"], q))
    if "bmd_again" in frame:
        mean = (frame["bmd"] + frame["bmd_again"]) / 2
        out["bmd_cv_percent"] = 100 * float(
            np.sqrt(np.mean((frame["bmd"] - frame["bmd_again"]) ** 2 / 2 / mean**2))
        )
        difference = c.TBS_SLOPE * (frame["slope"] - frame["slope_again"])
        out["tbs_cv_percent"] = 100 * float(np.sqrt(np.mean(difference**2 / 2)) / frame["tbs"].mean())
    return {name: float(value) for name, value in out.items()}


def main() -> None:
    """Print the table of a calibration cohort."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else c.CALIBRATION_SEED
    for name, value in statistics(calibration_table(count, seed, repeat=True)).items():
        sys.stdout.write(f"{name:22s} {value:9.4f}\n")


if __name__ == "__main__":
    main()
