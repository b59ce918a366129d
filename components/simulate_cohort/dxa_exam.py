"""The DXA table's row of a patient: values on the device's own scale, as a site would export them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isnan

from components.simulate_cohort.dxa import DxaScan, scan
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.tbs import tbs
from models.bone_reference import LUNAR_TO_HOLOGIC_INTERCEPT_G_CM2, LUNAR_TO_HOLOGIC_SLOPE
from models.levels import LEVELS

DEVICES = ("Hologic Horizon A", "Hologic Discovery W", "GE Lunar iDXA", "GE Lunar Prodigy")
DEVICE_WEIGHTS = (0.35, 0.25, 0.25, 0.15)
UNKNOWN_DEVICE = "Norland XR-800"
MAX_DAYS_APART = 75
FAR_DAYS = 240
SEVERE_DEGENERATION = 1.45  # beyond it a reader leaves L4 out


def lunar_from_hologic_g_cm2(hologic_g_cm2: float) -> float:
    """GE Lunar BMD from Hologic: the inverse of `models.bone_reference.to_hologic_g_cm2`."""
    return (hologic_g_cm2 - LUNAR_TO_HOLOGIC_INTERCEPT_G_CM2) / LUNAR_TO_HOLOGIC_SLOPE


@dataclass(frozen=True)
class DxaExam:
    """A scan, its TBS, the levels that count, and the row it becomes in dxa.csv."""

    scan: DxaScan
    tbs: dict[str, float]
    evaluable: tuple[str, ...]
    row: dict[str, str]

    @property
    def bmd_total_g_cm2(self) -> float:
        """BMC over area of the evaluable levels, Hologic; NaN without any."""
        return self.scan.bmd_over_g_cm2(self.evaluable) if self.evaluable else float("nan")

    @property
    def tbs_total(self) -> float:
        """Mean of the evaluable levels; NaN without any."""
        scores = [self.tbs[level] for level in self.evaluable]
        return sum(scores) / len(scores) if scores else float("nan")


def evaluable_levels(field: MineralField) -> tuple[str, ...]:
    """L1-L4 less what a technologist leaves out: fracture, metal, cement, the worst degeneration (ISCD)."""
    severe = {"L4"} if field.patient.degeneration > SEVERE_DEGENERATION else set()
    return tuple(level for level in LEVELS if level not in field.findings.excluded_levels | severe)


def examine(field: MineralField, patient_id: str, ct_date: date, defect: str | None) -> DxaExam:
    """Scan the patient near the date of the CT and write the row, with its planted defect if it has one."""
    patient = field.patient
    image = scan(field)
    exam = DxaExam(image, tbs(image), evaluable_levels(field), {})
    rng = patient.stream("dxa-exam")
    device = DEVICES[int(rng.choice(len(DEVICES), p=DEVICE_WEIGHTS))]
    days = int(rng.integers(-MAX_DAYS_APART, MAX_DAYS_APART + 1))
    if defect == "dxa_device_unknown":
        device = UNKNOWN_DEVICE
    if defect == "dxa_date_far":
        days = FAR_DAYS
    values = {f"bmd_{level.lower()}_g_cm2": image.bmd_g_cm2(level) for level in LEVELS}
    values["bmd_l1_l4_g_cm2"] = exam.bmd_total_g_cm2
    if "Lunar" in device:
        values = {name: lunar_from_hologic_g_cm2(value) for name, value in values.items()}
    values |= {f"tbs_{level.lower()}": exam.tbs[level] for level in LEVELS}
    values["tbs_l1_l4"] = exam.tbs_total
    for level in field.findings.excluded_levels & set(LEVELS):  # not analysed, so no value is exported
        values[f"bmd_{level.lower()}_g_cm2"] = values[f"tbs_{level.lower()}"] = float("nan")
    row = {
        "patient_id": patient_id,
        "exam_date": (ct_date + timedelta(days=days)).isoformat(),
        "device": device,
        "sex": patient.sex,
        "age_years": f"{patient.age_years:.1f}",
        "height_cm": f"{patient.height_cm:.1f}",
        "weight_kg": f"{patient.weight_kg:.1f}",
        **{name: "" if isnan(value) else f"{value:.3f}" for name, value in values.items()},
        **{f"invalid_{level.lower()}": "0" if level in exam.evaluable else "1" for level in LEVELS},
    }
    if defect == "dxa_not_numeric":
        row["bmd_l1_l4_g_cm2"] = "n/a"
    return replace(exam, row=row)
