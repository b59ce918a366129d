"""The compiled pipeline: an image for every step, the GPU on training, defaults that parse back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

from components.step import Site
from models.errors import ParameterError
from pipelines.compile_pipeline import compile_pipeline
from pipelines.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    out = tmp_path_factory.mktemp("compiled") / "osteogate.yaml"
    compile_pipeline(
        root=ROOT,
        params_file=ROOT / "params.yaml",
        site_file=ROOT / "infra/kubernetes/site.yaml",
        out=out,
        policy="production",
        image="registry.example.org/osteogate:abc",
    )
    return list(yaml.safe_load_all(out.read_text()))


def test_it_is_a_valid_pipeline_spec(documents: list[dict], tmp_path: Path) -> None:
    json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump_all(documents))
    loaded = components.load_component_from_file(str(tmp_path / "pipeline.yaml"))  # kfp's own loader
    assert loaded.pipeline_spec.pipeline_info.name == "osteogate"
    assert set(loaded.platform_spec.platforms) == {"kubernetes"}


def test_every_step_has_the_image_and_no_step_installs_packages(documents: list[dict]) -> None:
    executors = documents[0]["deploymentSpec"]["executors"]
    in_shards = {task for step in STEPS if step.merge_task for task in (step.shard_task, step.merge_task)}
    whole = {step.task for step in STEPS if not step.merge_task}
    assert {name.removeprefix("exec-") for name in executors} == whole | in_shards
    for executor in executors.values():
        assert executor["container"]["image"] == "registry.example.org/osteogate:abc"
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_only_training_asks_for_a_gpu(documents: list[dict]) -> None:
    executors = documents[0]["deploymentSpec"]["executors"]
    asking = {
        name: executor["container"]["resources"]["accelerator"]["resourceType"]
        for name, executor in executors.items()
        if "accelerator" in executor["container"].get("resources", {})
    }
    assert asking == {"exec-train-resnet50": "nvidia.com/gpu"}


def test_every_step_mounts_the_shared_volume(documents: list[dict]) -> None:
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name for name, executor in platform.items() if executor.get("pvcMount")} == set(
        documents[0]["deploymentSpec"]["executors"]
    )


def test_defaults_are_the_parameters_of_this_checkout(documents: list[dict]) -> None:
    inputs = documents[0]["root"]["inputDefinitions"]["parameters"]
    spec = json.loads(inputs["train_spec"]["defaultValue"])
    assert spec["params"]["train"]["arch"] == "resnet50"
    assert len(spec["code"]) == 16
    Site.model_validate_json(inputs["site"]["defaultValue"])
    assert inputs["policy"]["defaultValue"] == "production"


def test_only_what_passed_the_gate_is_deployed(documents: list[dict]) -> None:
    tasks = documents[0]["root"]["dag"]["tasks"]
    condition = next(task for name, task in tasks.items() if name.startswith("condition"))
    assert "promoted" in condition["triggerPolicy"]["condition"]
    inner = documents[0]["components"][condition["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inner) == {"deploy-triton", "detect-drift"}
    assert not {"deploy-triton", "detect-drift"} & set(tasks)


def test_gate_deploy_and_drift_are_never_reused(documents: list[dict]) -> None:
    found = {}
    for component in [documents[0]["root"], *documents[0]["components"].values()]:
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            found[name] = bool(task.get("cachingOptions", {}).get("enableCache"))
    assert not any(
        found[name] for name in ("gate-promotion", "deploy-triton", "detect-drift", "fetch-champion")
    )
    assert all(
        found[name]
        for name in (
            "ingest-shard",
            "merge-intake",
            "validate-dicom",
            "prepare-shard",
            "merge-crops",
            "train-resnet50",
        )
    )


@pytest.mark.parametrize(
    ("step", "shard", "merge"),
    [("ingest", "ingest-shard", "merge-intake"), ("prepare", "prepare-shard", "merge-crops")],
)
def test_ingest_and_prepare_are_spread_over_shards_each_retried_and_reused_alone(
    documents: list[dict], step: str, shard: str, merge: str
) -> None:
    inner_specs = documents[0]["components"]
    dag = inner_specs[f"comp-{step}-in-shards"]["dag"]["tasks"]
    loop = next(task for name, task in dag.items() if name != merge)
    items = json.loads(loop["parameterIterator"]["items"]["raw"])
    assert items == [f"{number}-of-8" for number in range(8)]
    assert "iteratorPolicy" not in loop, "all at once"
    inner = inner_specs[loop["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inner) == {shard}
    policy = inner[shard]["retryPolicy"]
    assert (policy["maxRetryCount"], policy["backoffDuration"]) == (2, "30s")
    assert inner[shard]["cachingOptions"] == {"enableCache": True}
    resources = documents[0]["deploymentSpec"]["executors"][f"exec-{shard}"]["container"]["resources"]
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("2", "4000M")
    given = inner[shard]["inputs"]["parameters"]["shard"]["componentInputParameter"]
    assert given == loop["parameterIterator"]["itemInput"]
    collected = dag[merge]["inputs"]["artifacts"]["shards"]["taskOutputArtifact"]
    assert inner_specs[f"comp-{merge}"]["inputDefinitions"]["artifacts"]["shards"]["isArtifactList"]
    assert dag[collected["producerTask"]] == loop
    assert "retryPolicy" not in dag[merge]


def test_one_shard_takes_the_steps_whole(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    assert text.count("  shards: 8  ") == 1
    params.write_text(text.replace("  shards: 8  ", "  shards: 1  "))
    out = tmp_path / "osteogate.yaml"
    compile_pipeline(
        root=ROOT, params_file=params, site_file=ROOT / "infra/kubernetes/site.yaml", out=out, policy="demo"
    )
    document, platform = yaml.safe_load_all(out.read_text())
    executors = set(document["deploymentSpec"]["executors"])
    assert {name.removeprefix("exec-") for name in executors} == {step.task for step in STEPS}
    assert set(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == executors


def test_a_wrong_site_file_is_named(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("root: /opt\nimages: x\n")
    with pytest.raises(ParameterError, match=r"images: unknown key"):
        compile_pipeline(
            root=ROOT,
            params_file=ROOT / "params.yaml",
            site_file=site,
            out=tmp_path / "o.yaml",
            policy="demo",
        )
    assert not (tmp_path / "o.yaml").exists()


def test_the_engine_has_its_own_image_and_a_gpu_where_it_is_turned_on(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    off = "  engine: null  "
    assert text.count(off) == 1
    text = text.replace(off, "  engine: totalsegmentator  ")
    text = text.replace("  environment: null  ", "  environment: /opt/totalsegmentator  ")
    params.write_text(text.replace("  weights: null  ", "  weights: /data/weights  "))
    out = tmp_path / "osteogate.yaml"
    compile_pipeline(
        root=ROOT, params_file=params, site_file=ROOT / "infra/kubernetes/site.yaml", out=out, policy="demo"
    )
    document = next(yaml.safe_load_all(out.read_text()))
    json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    images = {
        name: executor["container"]["image"]
        for name, executor in document["deploymentSpec"]["executors"].items()
    }
    assert images.pop("exec-segment-levels") == "osteogate-totalsegmentator:0.1.0"
    assert set(images.values()) == {"osteogate:0.1.0"}
    container = document["deploymentSpec"]["executors"]["exec-segment-levels"]["container"]
    assert container["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
    specs = document["root"]["inputDefinitions"]["parameters"]
    assert (
        json.loads(specs["segment_spec"]["defaultValue"])["params"]["segment"]["weights"] == "/data/weights"
    )
