"""KFP shim: promote or not, by a named policy over the evaluation report, and by a person where one is asked."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def gate_promotion(
    site: str,
    spec: str,
    policy: str,
    report: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
) -> str:
    """`promoted`, `awaiting approval`, `rejected` or `refused`; the reasons lie in the decision's JSON and page."""
    from pathlib import Path

    from components.gate_promotion.approvals import APPROVALS_FILE
    from components.gate_promotion.params import GateParams
    from components.gate_promotion.run import run
    from components.step import Site, Step

    with Step("gate", spec, {"decision": decision.path}) as step:
        champion = Path(report.path) / "champion_report.json"
        outcome = run(
            report=Path(report.path) / "report.json",
            champion_report=champion if champion.is_file() else None,
            policy=policy,
            params=step.params("gate", GateParams),
            out=Path(decision.path),
            approvals=Site.model_validate_json(site).home / APPROVALS_FILE,
            run_id=step.records.parent.name if step.records else "",
        )
        step.note(policy=policy, state=outcome.state, promoted=outcome.promoted, reasons=outcome.reasons)
    return outcome.state
