"""KFP shim: cut-offs and intervals from calibration patients, metrics on test patients, report and figures."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def evaluate_model(
    site: str,
    spec: str,
    champion_version: str,
    data_path: str,
    model: dsl.Input[dsl.Model],
    store: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.Artifact],
) -> None:
    """Judge the challenger, and the champion re-scored on the same test patients."""
    import tempfile
    from pathlib import Path

    from components.evaluate_model.latents import latents_beside
    from components.evaluate_model.params import EvaluateParams
    from components.evaluate_model.run import run
    from components.step import Site, Step
    from components.train_resnet50.registry import download
    from models.bone_reference import ScalesParams

    with Step("evaluate", spec, {"report": report.path}) as step, tempfile.TemporaryDirectory() as folder:
        place = Site.model_validate_json(site)
        champion = Path(folder) / "champion" if champion_version else None
        if champion is not None:
            download(place.mlflow_uri, "osteogate", champion_version, champion)
        summary = run(
            model=Path(model.path),
            store=Path(store.path) / "crops",
            out=Path(report.path),
            params=step.params("evaluate", EvaluateParams),
            scales=step.params("scales", ScalesParams),
            champion=champion,
            look_log=place.home / "test_set_looks.jsonl",
            latents=latents_beside(Path(data_path)),
        )
        step.note(metrics=summary.metrics)
