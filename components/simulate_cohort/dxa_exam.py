"""The DXA table's row of a patient: values on the device's own scale, as a site would export them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from components.simulate_cohort import constants as c
from components.simulate_cohort.dxa import DxaScan, scan
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.tbs import tbs
from models.levels import LEVELS

DEVICES = ("Hologic Horizon A", "Hologic Discovery W", "GE Lunar iDXA", "GE Lunar Prodigy")
DEVICE_WEIGHTS = (0.35, 0.25, 0.25, 0.15)
UNKNOWN_DEVICE = "Norland XR-800"
MAX_DAYS_APART = 75
FAR_DAYS = 240
SEVERE_DEGENERATION = 1.45  # beyond it a reader leaves L4 out


def lunar_from_hologic_g_cm2(hologic_g_cm2: float) -> float:
    """GE Lunar BMD from Hologic: Hologic = 0.906 Lunar - 0.025 (Genant 1994, JBMR 9:1503)."""
    return (hologic_g_cm2 - c.HOLOGIC_OFFSET_G_CM2) / c.HOLOGIC_PER_LUNAR


@dataclass(frozen=True)
class DxaExam:
    """A scan, its TBS, and the row it becomes in dxa.csv."""

    scan: DxaScan
    tbs: dict[str, float]
    row: dict[str, str]

    @property
    def tbs_total(self) -> float:
        """Mean of the levels."""
        return sum(self.tbs.values()) / len(self.tbs)


def examine(field: MineralField, patient_id: str, ct_date: date, defect: str | None) -> DxaExam:
    """Scan the patient near the date of the CT and write the row, with its planted defect if it has one."""
    patient = field.patient
    image = scan(field)
    scores = tbs(image)
    rng = patient.stream("dxa-exam")
    device = DEVICES[int(rng.choice(len(DEVICES), p=DEVICE_WEIGHTS))]
    days = int(rng.integers(-MAX_DAYS_APART, MAX_DAYS_APART + 1))
    if defect == "dxa_device_unknown":
        device = UNKNOWN_DEVICE
    if defect == "dxa_date_far":
        days = FAR_DAYS
    values = {f"bmd_{level.lower()}_g_cm2": image.bmd_g_cm2(level) for level in LEVELS}
    values["bmd_l1_l4_g_cm2"] = image.bmd_total_g_cm2
    if "Lunar" in device:
        values = {name: lunar_from_hologic_g_cm2(value) for name, value in values.items()}
    values |= {f"tbs_{level.lower()}": scores[level] for level in LEVELS}
    values["tbs_l1_l4"] = sum(scores.values()) / len(scores)
    row = {
        "patient_id": patient_id,
        "exam_date": (ct_date + timedelta(days=days)).isoformat(),
        "device": device,
        "sex": patient.sex,
        "age_years": f"{patient.age_years:.1f}",
        "height_cm": f"{patient.height_cm:.1f}",
        "weight_kg": f"{patient.weight_kg:.1f}",
        **{name: f"{value:.3f}" for name, value in values.items()},
        **{f"invalid_{level.lower()}": "0" for level in LEVELS},
    }
    if patient.degeneration > SEVERE_DEGENERATION:
        row["invalid_l4"] = "1"
    if defect == "dxa_not_numeric":
        row["bmd_l1_l4_g_cm2"] = "n/a"
    return DxaExam(image, scores, row)
