"""The end of both pipelines: the gate, and for what passes it deployment and drift."""

from typing import Any, NamedTuple

from kfp import dsl

from components.deploy_triton.component import deploy_triton
from components.detect_drift.component import detect_drift
from components.gate_promotion.component import gate_promotion


class PromotionTasks(NamedTuple):
    """Tasks of the three steps."""

    gate: dsl.PipelineTask
    deploy: dsl.PipelineTask
    drift: dsl.PipelineTask


def gate_deploy_drift(
    *,
    site: str,
    policy: str,
    gate_spec: str,
    deploy_spec: str,
    drift_spec: str,
    model: Any,
    store: Any,
    report: Any,
    passed: str,
) -> PromotionTasks:
    """Add the steps to the pipeline that is being defined; none of them is ever reused.

    Parameters
    ----------
    model, store, report
        Outputs of earlier tasks.
    passed
        Name of the branch that only a promoted model takes.
    """
    gate = gate_promotion(site=site, spec=gate_spec, policy=policy, report=report).set_display_name("Gate")
    gate.set_caching_options(False)
    with dsl.If(gate.outputs["Output"] == "promoted", name=passed):
        deploy = deploy_triton(
            site=site, spec=deploy_spec, model=model, store=store, report=report
        ).set_display_name("Deploy")
        deploy.set_caching_options(False)
        drift = detect_drift(
            site=site,
            spec=drift_spec,
            triton_url=deploy.outputs["triton_url"],
            version=deploy.outputs["version"],
            report=report,
        ).set_display_name("Drift")
        drift.set_caching_options(False)
        # studies are made side by side, one process each: more threads only stand in each other's way
        drift.set_env_variable("OMP_NUM_THREADS", "1").set_env_variable("OPENBLAS_NUM_THREADS", "1")
    return PromotionTasks(gate, deploy, drift)
