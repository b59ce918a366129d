"""Random streams and fixed UIDs: everything follows from (seed, names), never from order or time."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """An independent generator for this purpose; the same names always give the same numbers."""
    digest = hashlib.sha256("/".join(str(name) for name in names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def fixed_uid(seed: int, *names: str | int) -> str:
    """A DICOM UID under 2.25 (DICOM PS3.5 B.2) derived from the seed and names."""
    text = "/".join(["osteogate-phantom", str(seed), *(str(name) for name in names)])
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"
