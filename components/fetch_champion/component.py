"""KFP shim: which registered version the alias `champion` names; empty when there is none yet."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def fetch_champion(site: str, spec: str, without_champion: bool) -> str:
    """Version of the champion; never cached, so that evaluation and gate meet the present champion."""
    from components.step import Site, Step
    from components.train_resnet50.registry import resolve_alias

    with Step("champion", spec) as step:
        uri = Site.model_validate_json(site).mlflow_uri
        version = None if without_champion else resolve_alias(uri, "osteogate", "champion")
        step.note(version=version)
    return str(version) if version is not None else ""
