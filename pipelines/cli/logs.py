"""Logs of the command line: one event a line on standard error, without identifiers."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys

import structlog

NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def configure_logs() -> None:
    """Warnings and worse by default; `OSTEOGATE_LOG=info` or `debug` shows more."""
    _work_on_without_room_for_a_log()
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


class _Stream(io.FileIO):
    """A file whose full disk is nobody's error: what does not fit is not written."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return len(data)


def _work_on_without_room_for_a_log() -> None:
    """Standard error often is a file of a scheduler, and its disk may be full where that of the work is not."""
    own = sys.__stderr__
    if own is None or sys.stderr is not own:
        return  # somebody's own stream: a test's, a notebook's
    try:
        raw = _Stream(own.fileno(), "w", closefd=False)
    except (OSError, ValueError):
        return  # none at all
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=own.encoding, errors="backslashreplace", line_buffering=True
    )
