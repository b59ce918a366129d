"""Tables of the prediction log; a change here needs another `SCHEMA_VERSION`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, DateTime, Float, Integer, MetaData, String, Table

SCHEMA_VERSION: Final = 1

METADATA = MetaData()
VERSION = Table("schema_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("timestamp", DateTime, nullable=False, index=True),  # UTC; SQLite keeps no zone
    Column("study", String(64), nullable=False, index=True),
    Column("vendor", String(64), nullable=False, index=True),
    Column("model", String(128), nullable=False),
    Column("kvp", Float),
    Column("kernel_class", String(16), nullable=False),
    Column("slice_thickness_mm", Float),
    Column("pixel_spacing_mm", Float),
    Column("soft_tissue_peak_hu", Float),
    Column("fat_peak_hu", Float),
    Column("noise_hu", Float),
    Column("trabecular_hu", Float),
    Column("bmd_g_cm2", Float),
    Column("tbs", Float),
    Column("bmd_interval_width_g_cm2", Float),
    Column("tbs_interval_width", Float),
    Column("flag", Boolean, nullable=False),
    Column("model_version", String(64), nullable=False, index=True),
    Column("latency_ms", Float),
    Column("source", String(32), nullable=False, index=True),
    Column("data_kind", String(16), nullable=False),
)
OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", String(64), nullable=False, index=True),
    Column("exam_date", String(10), nullable=False),
    Column("dxa_device", String(64), nullable=False),
    Column("bmd_l1_l4_g_cm2", Float),
    Column("tbs_l1_l4", Float),
)

FLOAT_COLUMNS: Final = frozenset(
    column.name for table in (PREDICTIONS, OUTCOMES) for column in table.c if isinstance(column.type, Float)
)
