"""Is the disk that holds the runtime home nearly full?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipelines.retention.params import RetentionParams
from pipelines.workspace import Workspace

GB = 1e9


@dataclass(frozen=True)
class DiskUse:
    """Use of one file system against its warning.

    Attributes
    ----------
    used_percent
        As the system says it to an ordinary user: used / (used + free).
    """

    used_percent: float
    free_gb: float
    warning_percent: float

    @property
    def over(self) -> bool:
        """Whether to warn."""
        return self.used_percent >= self.warning_percent

    def line(self) -> str:
        """For people."""
        return (
            f"disk {self.used_percent:.0f} % used, {self.free_gb:.1f} GB free "
            f"(warning from {self.warning_percent:g} %, retention.disk_used_warning_percent)"
        )


def disk_use(workspace: Workspace, params: RetentionParams) -> DiskUse:
    """Of the file system that holds the home, or will."""
    place: Path = workspace.home
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    used = 100.0 * usage.used / max(usage.used + usage.free, 1)
    return DiskUse(used, usage.free / GB, params.disk_used_warning_percent)
