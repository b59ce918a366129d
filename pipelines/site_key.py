"""The site's pseudonymisation key: made once, readable by its owner only, never overwritten."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import structlog

log = structlog.get_logger()


def ensure_site_key(path: Path) -> None:
    """Make the key where there is none; whoever holds it can link hashes to patients by guessing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
    log.info(
        "site key made; keep it safe: another key moves patients between training and test", path=str(path)
    )
