"""Section `pipeline` of params.yaml: in how many parts ingest and prepare are done."""

from __future__ import annotations

from pydantic import Field

from models.params import Section


class PipelineParams(Section):
    """How the work on the images is divided; the result is the same byte for byte.

    Attributes
    ----------
    shards, shards_here
        Parts of the patients, of a compiled pipeline and of `osteogate run`; 1 takes the steps whole.
    shard_retries, shard_retry_wait_s
        How often a cluster runs a failed shard again, alone, and how long it waits before the first time, doubled each
        time. Here nothing is retried: what stood is taken up by `osteogate run --resume`.
    shard_cpus, shard_memory_gb
        Limits of a shard's pod, and so what it asks for (memory in 10^9 bytes); it starts a process for each CPU.
    """

    shards: int = Field(ge=1, le=1000)
    shards_here: int = Field(ge=1, le=1000)
    shard_retries: int = Field(ge=0, le=10)
    shard_retry_wait_s: int = Field(ge=0, le=3600)
    shard_cpus: int = Field(ge=1, le=256)
    shard_memory_gb: float = Field(ge=1, le=1000)
