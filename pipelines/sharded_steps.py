"""Ingest and prepare over shards of the patients: each a task that fails, is retried and is reused alone."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.ingest_dicom.shard_component import ingest_shard, merge_intake
from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae.shard_component import merge_crops, prepare_shard
from pipelines.shard_params import PipelineParams

OnCluster = Callable[[dsl.PipelineTask, str], None]


def ingest_in_shards(shards: int, params: PipelineParams, on_cluster: OnCluster) -> Any:
    """The pipeline that stands for the ingest step; `intake` is its only output.

    A pipeline of its own, because kfp.local gives a loop's tasks the loop item for every parameter that is another
    task's output (2.17); what comes in as the inner pipeline's own input is left alone.
    """

    @dsl.pipeline(name="ingest-in-shards")
    def pipeline(
        data_path: str, data_version: str, data_kind: str, site: str, spec: str, volume_claim: str
    ) -> dsl.Dataset:
        with dsl.ParallelFor(_names(shards), name="ingest-shards") as shard:
            part = ingest_shard(
                data_path=data_path,
                data_version=data_version,
                data_kind=data_kind,
                site=site,
                spec=spec,
                shard=shard,
            ).set_display_name("Ingest a shard")
            _as_a_pod(part, params)
            on_cluster(part, volume_claim)
        whole = merge_intake(
            data_version=data_version, site=site, spec=spec, shards=dsl.Collected(part.outputs["intake"])
        ).set_display_name("Merge intake")
        on_cluster(whole, volume_claim)
        return whole.outputs["intake"]

    return pipeline


def prepare_in_shards(shards: int, params: PipelineParams, on_cluster: OnCluster) -> Any:
    """The pipeline that stands for the prepare step; `store` is its only output."""

    @dsl.pipeline(name="prepare-in-shards")
    def pipeline(
        data_path: str,
        data_version: str,
        data_kind: str,
        site: str,
        spec: str,
        volume_claim: str,
        validated: dsl.Input[dsl.Dataset],
        segmented: dsl.Input[dsl.Dataset],
    ) -> dsl.Dataset:
        with dsl.ParallelFor(_names(shards), name="prepare-shards") as shard:
            part = prepare_shard(
                data_path=data_path,
                data_version=data_version,
                data_kind=data_kind,
                site=site,
                spec=spec,
                shard=shard,
                validated=validated,
                segmented=segmented,
            ).set_display_name("Prepare a shard")
            _as_a_pod(part, params)
            on_cluster(part, volume_claim)
        whole = merge_crops(spec=spec, shards=dsl.Collected(part.outputs["store"])).set_display_name(
            "Merge crops"
        )
        on_cluster(whole, volume_claim)
        return whole.outputs["store"]

    return pipeline


def _names(shards: int) -> list[str]:
    """'0-of-8', ...: texts, since kfp.local hands numbers in a list on as floats."""
    return [str(Shard(number, shards)) for number in range(shards)]


def _as_a_pod(task: dsl.PipelineTask, params: PipelineParams) -> None:
    """Retries and limits, as a cluster reads them."""
    task.set_cpu_limit(str(params.shard_cpus)).set_memory_limit(f"{params.shard_memory_gb * 1000:.0f}M")
    if params.shard_retries:
        task.set_retry(
            num_retries=params.shard_retries,
            backoff_duration=f"{params.shard_retry_wait_s}s",
            backoff_factor=2.0,
        )
