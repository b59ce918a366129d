"""`osteogate rotate-key`: another secret behind the pseudonyms."""

from __future__ import annotations

from typing import Annotated

import typer


def rotate_key(
    json_output: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Replace the site's pseudonymisation key; the old one stays beside it as site.key.v1, v2 and so on.

    Splits: patients get new hashes and are split anew, so whoever was in training may come into test. A model
    trained before is therefore refused on data read after, until one is trained anew (osteogate run
    --without-champion); the next run ingests everything again.

    Log of looks: patients whom the intake names are found under the new key too, so earlier looks still count; how many
    are not is said.

    De-identified copies and cohorts made with the old key are refused: copy the originals, or take them in, again. To
    work with the old key, name it: OSTEOGATE_SITE_KEY_FILE=.osteogate/keys/site.key.v1 osteogate ...

    Prediction log: rows before keep their hashes, because the log holds no study UID that could be hashed anew; DXA
    outcomes of studies answered before are joined with the old key. Drift looks at no hash and goes on.
    """
    import json

    from pipelines.key_rotation import rotate_key as rotate
    from pipelines.workspace import Workspace

    done = rotate(Workspace.find())
    if json_output:
        typer.echo(json.dumps(vars(done), default=str))
        return
    typer.echo(f"key {done.old_key_id} replaced by {done.new_key_id} (version {done.version})")
    typer.echo(f"the old key is kept: {done.retired}")
    typer.echo(
        f"log of looks: {done.looks_carried} patients carried over, {done.looks_unknown} in no intake any more"
    )
    typer.echo(
        f"left as they are: {done.answers_left} answers in the prediction log (it holds no study UID to hash anew; "
        f"their DXA outcomes are joined with OSTEOGATE_SITE_KEY_FILE={done.retired})"
    )
    for cohort in done.cohorts_left:
        typer.echo(
            f"left as it is: {cohort}, de-identified with the old key; take its originals into a new folder"
        )
    typer.echo("next: osteogate run --data COHORT --without-champion (splits are drawn anew)")
