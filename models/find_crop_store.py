"""Where the crop store is that somebody named: there, or in the folder `crops` that prepare and streaming write."""

from __future__ import annotations

from pathlib import Path


def find_crop_store(folder: Path) -> Path:
    """`folder`, or its `crops` where the store is in there; `open_crop_store` says whether it is one."""
    inside = folder / "crops"
    if not (folder / "store.json").is_file() and (inside / "store.json").is_file():
        return inside
    return folder
