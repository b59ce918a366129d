"""Which version of a site's key a keyed hash was made with, read off the hash itself.

Hashes of the first key are plain; after `osteogate rotate-key` they begin with `k2-`, `k3-` and so on, so that no
table of the one can be taken for a table of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FIRST_VERSION = 1
PREFIX = re.compile(r"k(\d{1,6})-")


def version_prefix(version: int) -> str:
    """What hashes of this key version begin with; "" for the first."""
    return "" if version == FIRST_VERSION else f"k{version}-"


def key_versions(hashes: Iterable[str]) -> frozenset[int]:
    """Key versions that these hashes were made with."""
    return frozenset(
        int(match[1]) if (match := PREFIX.match(text)) else FIRST_VERSION for text in hashes if text
    )
