"""The retraining pipeline: pure wiring, the same definition here in subprocesses and on a Kubeflow cluster."""

from typing import Any, NamedTuple

from kfp import dsl, kubernetes

from components.evaluate_model.component import evaluate_model
from components.fetch_champion.component import fetch_champion
from components.ingest_dicom.component import ingest_dicom
from components.prepare_vertebrae.component import prepare_vertebrae
from components.segment_levels.component import segment_levels
from components.simulate_cohort.component import obtain_data
from components.train_resnet50.component import train_resnet50
from components.validate_dicom.component import validate_dicom
from pipelines.promotion import gate_deploy_drift
from pipelines.shard_params import PipelineParams
from pipelines.sharded_steps import ingest_in_shards, prepare_in_shards

Outputs = NamedTuple(
    "Outputs",
    [
        ("intake", dsl.Dataset),
        ("validated", dsl.Dataset),
        ("store", dsl.Dataset),
        ("model", dsl.Model),
        ("report", dsl.Artifact),
        ("decision", dsl.Artifact),
    ],
)


DATA_MOUNT = "/data"  # of the shared volume on a cluster; infra/kubernetes/site.yaml names folders below it


def on_cluster(task: dsl.PipelineTask, volume_claim: str) -> None:
    """Settings that a cluster reads and the local runner ignores."""
    kubernetes.mount_pvc(task, pvc_name=volume_claim, mount_path=DATA_MOUNT)
    kubernetes.use_secret_as_volume(
        task, secret_name="osteogate-site-key", mount_path="/var/run/secrets/osteogate", optional=True
    )


def retraining_pipeline(shards: int, params: PipelineParams) -> Any:
    """The pipeline, ready to be compiled or, after `local.init`, called.

    Parameters
    ----------
    shards
        Parts in which ingest and prepare are done; 1 takes the steps whole.
    params
        How often a failed shard is retried.
    """

    # made here: KFP allows no pipeline to be defined while another is
    ingest_step = ingest_dicom if shards == 1 else ingest_in_shards(shards, params, on_cluster)
    prepare_step = prepare_vertebrae if shards == 1 else prepare_in_shards(shards, params, on_cluster)

    @dsl.pipeline(
        name="osteogate", description="CT to BMD and TBS: validate, train, evaluate, gate, deploy, watch"
    )
    def retraining(
        root: str,
        site: str,
        policy: str,
        data_spec: str,
        ingest_spec: str,
        validate_spec: str,
        segment_spec: str,
        prepare_spec: str,
        train_spec: str,
        champion_spec: str,
        evaluate_spec: str,
        gate_spec: str,
        deploy_spec: str,
        drift_spec: str,
        accept_changed_data: bool = False,
        data_folder: str = "",
        without_champion: bool = False,
        volume_claim: str = "osteogate-data",
    ) -> Outputs:
        """Every `*_spec` carries the step's parameters and source fingerprint, so that KFP reuses what is unchanged."""
        data = obtain_data(
            root=root, spec=data_spec, accept_changed_data=accept_changed_data, data_folder=data_folder
        ).set_display_name("Data")
        data.set_caching_options(False)
        dataset = {
            "data_path": data.outputs["path"],
            "data_version": data.outputs["version"],
            "data_kind": data.outputs["kind"],
        }
        # the tasks of shards mount the volume themselves
        volume = {} if shards == 1 else {"volume_claim": volume_claim}
        ingest = ingest_step(**dataset, **volume, site=site, spec=ingest_spec)
        ingest.set_display_name("Ingest DICOM")
        intake = ingest.outputs["intake" if shards == 1 else "Output"]
        validate = validate_dicom(**dataset, site=site, spec=validate_spec, intake=intake).set_display_name(
            "Validate"
        )
        segment = segment_levels(
            data_path=data.outputs["path"],
            data_version=data.outputs["version"],
            site=site,
            spec=segment_spec,
            validated=validate.outputs["validated"],
        ).set_display_name("Segment levels")
        images = {"validated": validate.outputs["validated"], "segmented": segment.outputs["segmented"]}
        prepare = prepare_step(**dataset, **volume, **images, site=site, spec=prepare_spec)
        prepare.set_display_name("Prepare vertebrae")
        store = prepare.outputs["store" if shards == 1 else "Output"]
        train = train_resnet50(site=site, spec=train_spec, store=store).set_display_name("Train")
        train.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
        kubernetes.empty_dir_mount(
            train, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit="2Gi"
        )
        kubernetes.add_toleration(train, key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
        champion = (
            fetch_champion(site=site, spec=champion_spec, without_champion=without_champion)
            .set_display_name("Champion")
            .after(train)
        )
        champion.set_caching_options(False)
        evaluate = evaluate_model(
            site=site,
            spec=evaluate_spec,
            champion_version=champion.output,
            data_path=data.outputs["path"],
            model=train.outputs["model"],
            store=store,
        ).set_display_name("Evaluate")
        # what awaits a person's approval ends at the gate, and goes on in pipelines/deployment.py once it is approved
        gate, deploy, drift = gate_deploy_drift(
            site=site,
            policy=policy,
            gate_spec=gate_spec,
            deploy_spec=deploy_spec,
            drift_spec=drift_spec,
            model=train.outputs["model"],
            store=store,
            report=evaluate.outputs["report"],
            passed="promoted",
        )
        whole = (ingest, prepare) if shards == 1 else ()
        for task in (data, *whole, validate, segment, train, champion, evaluate, gate, deploy, drift):
            on_cluster(task, volume_claim)
        return Outputs(
            intake,
            validate.outputs["validated"],
            store,
            train.outputs["model"],
            evaluate.outputs["report"],
            gate.outputs["decision"],
        )

    return retraining
