"""`osteogate compile`: the pipeline's YAML for a Kubeflow cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compile(
    out: Annotated[Path, typer.Option("-o", "--out", help="YAML file to write.")],
    params: Annotated[Path | None, typer.Option(help="Default: the checkout's params.yaml.")] = None,
    site: Annotated[Path | None, typer.Option(help="Default: infra/kubernetes/site.yaml.")] = None,
    profile: Annotated[
        str, typer.Option(help="Name under profiles in params.yaml that submitted runs use.")
    ] = "hospital",
    policy: Annotated[
        str | None, typer.Option(help="Gate policy that submitted runs use; default: the profile's.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Image of every step, in place of the site file's.")
    ] = None,
) -> None:
    """Write the very pipeline that `osteogate run` runs, with images, GPU limit and defaults for a cluster."""
    from pipelines.compile_pipeline import compile_pipeline
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    compile_pipeline(
        root=workspace.root,
        params_file=params or workspace.params_file,
        site_file=site or workspace.root / "infra" / "kubernetes" / "site.yaml",
        out=out,
        policy=policy,
        profile=profile,
        image=image,
    )
    typer.echo(
        f"{out}: submit it with kfp.Client().create_run_from_pipeline_package, or upload it in the KFP page"
    )
