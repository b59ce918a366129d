"""Runs a pipeline with kfp.local in subprocesses; started by `carry_out` as a process of its own.

Usage: python -m pipelines.kfp_local PLAN.json, where the file holds `pipeline` (`retraining` or `deployment`),
`pipeline_root`, `cache` (bool), the pipeline's `arguments` and, for retraining, `division` (section `pipeline` of
params.yaml).
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
from typing import Any

from kfp import local

from pipelines.deployment import deployment
from pipelines.retraining import retraining_pipeline
from pipelines.shard_params import PipelineParams


def pipeline_of(plan: dict[str, Any]) -> Any:
    """`deployment`, or `retraining` in as many shards as its plan says for this machine."""
    if plan["pipeline"] == "deployment":
        return deployment
    params = PipelineParams(**plan["division"])
    # a refusal would only be said again: what stood is taken up by the next run
    return retraining_pipeline(params.shards_here, params.model_copy(update={"shard_retries": 0}))


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
        pipeline_of(plan)(**plan["arguments"])
    except RuntimeError as error:
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
