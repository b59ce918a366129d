"""Logs of the command line: one event a line on standard error, without identifiers."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure_logs() -> None:
    """Warnings and worse by default; `OSTEOGATE_LOG=info` or `debug` shows more."""
    named = os.environ.get("OSTEOGATE_LOG", "warning").upper()
    level = logging.getLevelNamesMapping().get(named, logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    for noisy in ("pydicom", "py.warnings", "great_expectations", "alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
