"""The retraining pipeline as the YAML a Kubeflow cluster runs: images, defaults and fingerprints filled in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from components.step import Site
from models.params import Section, parse_section, read_params_file
from pipelines.params import gate_policy, read_params
from pipelines.shard_params import PipelineParams
from pipelines.steps import step_specs

TRAINING = "exec-train-resnet50"
SEGMENTATION = "exec-segment-levels"


class ClusterSite(Section):
    """infra/kubernetes/site.yaml.

    Attributes
    ----------
    root
        The checkout inside the image.
    image, gpu_image
        Of every step, and of training.
    engine_image
        Of the segment step where `segment.engine` is on (infra/images/totalsegmentator.Dockerfile).
    volume_claim
        The shared volume, mounted at /data in every step.
    """

    root: str
    image: str
    gpu_image: str
    engine_image: str
    volume_claim: str
    site: Site


def compile_pipeline(
    *,
    root: Path,
    params_file: Path,
    site_file: Path,
    out: Path,
    policy: str | None = None,
    profile: str | None = None,
    image: str | None = None,
) -> None:
    """Write the compiled pipeline to `out` (atomically).

    Parameters
    ----------
    policy
        Gate policy; None takes the one that the parameters name (`gate.default_policy`).
    profile
        Name under `profiles` in the params file; None takes the file's own values.
    image
        Replaces image and gpu_image of the site file (CI passes the one it has just built).

    Raises
    ------
    ParameterError
        For a wrong params or site file.
    """
    from kfp import compiler

    from pipelines.retraining import retraining_pipeline

    cluster = parse_section(str(site_file), read_params_file(site_file), ClusterSite)
    params = read_params(params_file, profile)
    arguments: dict[str, Any] = {
        "root": cluster.root,
        "site": cluster.site.model_dump_json(),
        "policy": gate_policy(params, policy, params_file),
        **step_specs(root, params),
        "volume_claim": cluster.volume_claim,
    }
    division = PipelineParams(**params["pipeline"])
    pipeline = retraining_pipeline(division.shards, division)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(plain), pipeline_parameters=arguments)
        documents = list(yaml.safe_load_all(plain.read_text()))
    for name, executor in documents[0]["deploymentSpec"]["executors"].items():
        gpu = name == TRAINING
        executor["container"]["image"] = image or (cluster.gpu_image if gpu else cluster.image)
    if params["segment"]["engine"] is not None:
        container = documents[0]["deploymentSpec"]["executors"][SEGMENTATION]["container"]
        container["image"] = cluster.engine_image
        if params["segment"]["device"] == "gpu":
            container["resources"] = {"accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "1"}}
    partial = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    partial.replace(out)
