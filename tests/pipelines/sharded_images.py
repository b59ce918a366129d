"""The image half of the pipeline under kfp.local, in a process of its own: `python sharded_images.py PLAN.json`."""

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
from kfp import dsl, local

from components.segment_levels.component import segment_levels
from components.simulate_cohort.component import obtain_data
from components.validate_dicom.component import validate_dicom
from pipelines.retraining import on_cluster
from pipelines.shard_params import PipelineParams
from pipelines.sharded_steps import ingest_in_shards, prepare_in_shards

PLAN = json.loads(Path(sys.argv[1]).read_text())
RECORDS = Path(os.environ["OSTEOGATE_STEP_RECORDS"])
PARAMS = PipelineParams(**PLAN["division"])
INGEST = ingest_in_shards(PARAMS.shards, PARAMS, on_cluster)
PREPARE = prepare_in_shards(PARAMS.shards, PARAMS, on_cluster)


@dsl.pipeline(name="images")
def images(
    root: str,
    site: str,
    data_spec: str,
    ingest_spec: str,
    validate_spec: str,
    segment_spec: str,
    prepare_spec: str,
    data_folder: str,
    volume_claim: str = "claim",
) -> None:
    """As retraining has them: what a shard is told of the data is another task's output."""
    data = obtain_data(root=root, spec=data_spec, accept_changed_data=False, data_folder=data_folder)
    data.set_caching_options(False)
    told = {
        "data_path": data.outputs["path"],
        "data_version": data.outputs["version"],
        "data_kind": data.outputs["kind"],
    }
    ingest = INGEST(**told, site=site, spec=ingest_spec, volume_claim=volume_claim)
    validate = validate_dicom(**told, site=site, spec=validate_spec, intake=ingest.output)
    segment = segment_levels(
        data_path=data.outputs["path"], data_version=data.outputs["version"], site=site, spec=segment_spec,
        validated=validate.output,
    )  # fmt: skip
    PREPARE(
        **told, site=site, spec=prepare_spec, volume_claim=volume_claim, validated=validate.output,
        segmented=segment.output,
    )  # fmt: skip


def record(name: str) -> dict[str, object]:
    path = RECORDS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def kill_once(shard: str) -> None:
    """kill -9 of the process that prepares this shard, once it works."""
    while record(f"prepare.{shard}").get("state") != "running":
        time.sleep(0.02)
    for process in psutil.Process().children(recursive=True):
        command = " ".join(process.cmdline())
        if "kfp.dsl.executor_main" in command and f'"{shard}"' in command and "prepare_shard" in command:
            process.send_signal(signal.SIGKILL)
    logging.info("killed: prepare %s", shard)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    root = Path(PLAN["pipeline_root"])
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        enable_caching=True,
        cache_root=str(root / "cache"),
    )
    if "killed" in PLAN:
        threading.Thread(target=kill_once, args=(PLAN["killed"],), daemon=True).start()
    images(**PLAN["arguments"])


if __name__ == "__main__":
    main()
