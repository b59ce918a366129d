"""The lumbar levels that are measured, in cranio-caudal order."""

from __future__ import annotations

LEVELS: tuple[str, ...] = ("L1", "L2", "L3", "L4")
