"""What follows a person's word: the gate again, which reads that word, and only then deployment and drift."""

from kfp import dsl

from components.deploy_triton.component import deploy_triton
from components.detect_drift.component import detect_drift
from components.gate_promotion.component import gate_promotion


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
    gate = gate_promotion(
        site=site, spec=gate_spec, policy=policy, report=report.outputs["artifact"]
    ).set_display_name("Gate")
    gate.set_caching_options(False)
    with dsl.If(gate.outputs["Output"] == "promoted", name="approved"):
        deploy = deploy_triton(
            site=site,
            spec=deploy_spec,
            model=model.outputs["artifact"],
            store=store.outputs["artifact"],
            report=report.outputs["artifact"],
        ).set_display_name("Deploy")
        deploy.set_caching_options(False)
        drift = detect_drift(
            site=site,
            spec=drift_spec,
            triton_url=deploy.outputs["triton_url"],
            version=deploy.outputs["version"],
            report=report.outputs["artifact"],
        ).set_display_name("Drift")
        drift.set_caching_options(False)
        drift.set_env_variable("OMP_NUM_THREADS", "1").set_env_variable("OPENBLAS_NUM_THREADS", "1")
    return gate.outputs["decision"]
