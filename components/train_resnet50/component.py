"""KFP shim: train the ResNet50 on the crop store; curves and model in MLflow."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def train_resnet50(site: str, spec: str, store: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]) -> None:
    """Fit the network; the GPU is used where there is one."""
    from pathlib import Path

    from components.step import Site, Step
    from components.train_resnet50.params import TrainParams
    from components.train_resnet50.run import run

    with Step("train", spec, {"model": model.path}) as step:
        place = Site.model_validate_json(site)
        summary = run(
            store=Path(store.path) / "crops",
            out=Path(model.path),
            params=step.params("train", TrainParams),
            mlflow_uri=place.mlflow_uri,
            experiment="osteogate",
            run_name=f"train-{step.spec['code']}",
            git_commit=step.git_commit,
            resume=step.resume,
            progress=step.progress,
            # of these crops and this code; `fit` compares parameters and data
            checkpoint=place.home
            / "checkpoints"
            / f"{Path(store.path).parent.parent.name}-{step.spec['code']}.pt",
        )
        step.note(
            mlflow_run=summary.run_id, device=summary.device, epochs=summary.epochs, best=summary.best_metrics
        )
