"""What follows a person's word: the gate again, which reads that word, and only then deployment and drift."""

from kfp import dsl

from pipelines.promotion import gate_deploy_drift


@dsl.pipeline(name="osteogate-deployment", description="A model that a person spoke on: gate, deploy, watch")
def deployment(
    site: str,
    policy: str,
    gate_spec: str,
    deploy_spec: str,
    drift_spec: str,
    model_uri: str,
    store_uri: str,
    report_uri: str,
) -> dsl.Artifact:
    """The `*_uri` are outputs of the run whose decision awaited approval; its specs and policy are used again."""
    model, store, report = (
        dsl.importer(artifact_uri=uri, artifact_class=kind, reimport=False)
        for uri, kind in ((model_uri, dsl.Model), (store_uri, dsl.Dataset), (report_uri, dsl.Artifact))
    )
    tasks = gate_deploy_drift(
        site=site,
        policy=policy,
        gate_spec=gate_spec,
        deploy_spec=deploy_spec,
        drift_spec=drift_spec,
        model=model.outputs["artifact"],
        store=store.outputs["artifact"],
        report=report.outputs["artifact"],
        passed="approved",
    )
    return tasks.gate.outputs["decision"]
