"""Runs a pipeline with kfp.local in subprocesses; started by `carry_out` as a process of its own.

Usage: python -m pipelines.kfp_local PLAN.json, where the file holds `pipeline` (a name in `PIPELINES`),
`pipeline_root`, `cache` (bool) and the pipeline's `arguments`.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

from kfp import local

from pipelines.deployment import deployment
from pipelines.retraining import retraining

PIPELINES = {"retraining": retraining, "deployment": deployment}


def _end_with_parent(parent: int) -> None:
    """End the whole process group when the process that started us is gone, killed perhaps."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Run and leave with exit code 0, or 1 when a step failed (its record says why)."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # GPU limits and display names have no effect in a subprocess; KFP says so for every task
    warnings.filterwarnings("ignore", message=".*have no effect in the current local runner.*")
    root = Path(plan["pipeline_root"])
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        enable_caching=plan["cache"],
        cache_root=str(root / "cache"),
    )
    try:
        PIPELINES[plan["pipeline"]](**plan["arguments"])
    except RuntimeError as error:
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
