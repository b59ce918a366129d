"""KFP shim: which registered version the alias `champion` names; empty when there is none yet."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def fetch_champion(site: str, spec: str) -> str:
    """Version of the champion; never cached, so that evaluation and gate meet the present champion."""
    from components.step import Site, Step
    from components.train_resnet50.registry import resolve_alias

    with Step("champion", spec) as step:
        version = resolve_alias(Site.model_validate_json(site).mlflow_uri, "osteogate", "champion")
        step.note(version=version)
    return str(version) if version is not None else ""
