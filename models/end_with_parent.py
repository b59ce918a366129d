"""Worker processes that end with the process that started them, however that one ends."""

from __future__ import annotations

import os
import threading
import time

LOOK_S = 1.0


def end_with_parent(parent: int) -> None:
    """Initializer of a process pool: from now on this worker looks whether process `parent` still is its parent.

    Why: a parent that was killed cannot end its workers, and they would wait for its next job for ever.
    """
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)
