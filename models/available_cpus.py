"""How many processes are worth starting: a container sees all CPUs of its machine, and may use a few."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path(
    "/sys/fs/cgroup/cpu.max"
)  # "200000 100000" or "max 100000": microseconds of each period, cgroup v2


def available_cpus(quota: Path = QUOTA) -> int:
    """CPUs that this process may run on, and no more than its container's limit pays for; at least 1."""
    cpus = len(os.sched_getaffinity(0))
    try:
        allowed, period = quota.read_text().split()
        return max(1, min(cpus, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError):  # no such file or "max": no limit
        return cpus
