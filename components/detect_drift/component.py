"""KFP shim: reference month and current traffic through the served model; an Evidently verdict per vendor."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def detect_drift(
    site: str,
    spec: str,
    triton_url: str,
    version: str,
    report: dsl.Input[dsl.Artifact],
    drift: dsl.Output[dsl.Artifact],
) -> None:
    """Drift verdict per vendor; drift found does not fail the step."""
    from pathlib import Path

    from components.detect_drift.run import run
    from components.prepare_vertebrae.params import PrepareParams
    from components.simulate_cohort.params import SimulateParams
    from components.step import Site, Step
    from monitoring.params import MonitorParams

    with Step("drift", spec, {"drift": drift.path}) as step:
        place = Site.model_validate_json(site)
        summary = run(
            triton_url=triton_url,
            log_url=place.prediction_log_url,
            reference_out=place.home / "drift" / f"reference-{version}.parquet",
            out=Path(drift.path),
            simulate_params=step.params("simulate", SimulateParams),
            prepare_params=step.params("prepare", PrepareParams),
            monitor=step.params("monitor", MonitorParams),
            rules=Path(report.path) / "decision.json",
            cache=place.home / "cache" / "traffic",
            workspace=place.evidently_workspace,
            progress=step.progress,
        )
        step.note(verdicts=summary.verdicts)
