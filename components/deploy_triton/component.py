"""KFP shim: ONNX export, parity, atomic publication, golden inference, and only then the alias `champion`."""

from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def deploy_triton(
    site: str,
    spec: str,
    model: dsl.Input[dsl.Model],
    store: dsl.Input[dsl.Dataset],
    report: dsl.Input[dsl.Artifact],
    deployment: dsl.Output[dsl.Artifact],
) -> NamedTuple("Deployed", [("version", str), ("triton_url", str)]):  # type: ignore[valid-type]
    """Serve the promoted model; the old version goes on serving if anything fails."""
    from pathlib import Path
    from typing import NamedTuple

    from components.deploy_triton.params import DeployParams
    from components.deploy_triton.run import run
    from components.step import Site, Step

    with Step("deploy", spec, {"deployment": deployment.path}) as step:
        place = Site.model_validate_json(site)
        result = run(
            model=Path(model.path),
            decision=Path(report.path) / "decision.json",
            store=Path(store.path) / "crops",
            repository=place.model_repository,
            home=place.home,
            environment=place.triton_environment,
            mlflow_uri=place.mlflow_uri,
            triton_url=place.triton_url or None,
            params=step.params("deploy", DeployParams),
            out=Path(deployment.path),
            git_commit=step.git_commit,
        )
        step.note(version=result.version, url=result.url, parity=result.parity, golden=result.golden)
    deployed = NamedTuple("deployed", [("version", str), ("triton_url", str)])
    return deployed(str(result.version), result.url)
