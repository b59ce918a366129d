"""KFP shims of a preparation in shards: one shard of the patients, and the shards put together."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def prepare_shard(
    data_path: str,
    data_version: str,
    data_kind: str,
    site: str,
    spec: str,
    shard: str,
    validated: dsl.Input[dsl.Dataset],
    segmented: dsl.Input[dsl.Dataset],
    store: dsl.Output[dsl.Dataset],
) -> None:
    """What `prepare_vertebrae` does, for the patients of one shard."""
    from pathlib import Path

    from components.ingest_dicom.pseudonym import cohort_key
    from components.ingest_dicom.shards import Shard
    from components.prepare_vertebrae.params import PrepareParams
    from components.prepare_vertebrae.run import run
    from components.step import Site, Step

    with Step("prepare", spec, {"store": store.path}, shard=shard) as step:
        place = Site.model_validate_json(site)
        summary = run(
            data=Path(data_path),
            intake=place.home / "intake" / data_version,
            accepted=Path(validated.path) / "accepted.parquet",
            segmented=Path(segmented.path),
            out=Path(store.path),
            key=cohort_key(data_kind, place.site_key),
            params=step.params("prepare", PrepareParams),
            data_version=data_version,
            data_kind=data_kind,
            progress=step.progress,
            shard=Shard.parse(shard),
        )
        step.note(counts=summary.counts)


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def merge_crops(spec: str, shards: dsl.Input[list[dsl.Dataset]], store: dsl.Output[dsl.Dataset]) -> None:
    """All shards as one crop store, as `prepare_vertebrae` would have written it."""
    from pathlib import Path

    from components.prepare_vertebrae.merge_shards import merge_shards
    from components.prepare_vertebrae.params import PrepareParams
    from components.step import Step

    parts = [Path(shard.path) for shard in shards]
    with Step("prepare", spec, {"store": store.path}, parts=parts) as step:
        summary = merge_shards(parts, Path(store.path), step.params("prepare", PrepareParams))
        step.note(counts=summary.counts)
