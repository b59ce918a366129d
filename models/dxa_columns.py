"""Columns of the DXA table (dxa.csv), in the order of its template; units are in the names."""

from __future__ import annotations

from models.levels import LEVELS

_SPANS = (*(level.lower() for level in LEVELS), "l1_l4")
BMD_COLUMNS: tuple[str, ...] = tuple(f"bmd_{span}_g_cm2" for span in _SPANS)
TBS_COLUMNS: tuple[str, ...] = tuple(f"tbs_{span}" for span in _SPANS)
INVALID_COLUMNS: tuple[str, ...] = tuple(f"invalid_{level.lower()}" for level in LEVELS)
PERSON_COLUMNS: tuple[str, ...] = ("age_years", "height_cm", "weight_kg")
NUMBER_COLUMNS: tuple[str, ...] = (*PERSON_COLUMNS, *BMD_COLUMNS, *TBS_COLUMNS)
TEXT_COLUMNS: tuple[str, ...] = ("patient_id", "exam_date", "device", "sex")
DXA_COLUMNS: tuple[str, ...] = (*TEXT_COLUMNS, *NUMBER_COLUMNS, *INVALID_COLUMNS)
