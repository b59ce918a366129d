"""KFP shims of an ingest in shards: one shard of the patients, and the shards put together."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def ingest_shard(
    data_path: str,
    data_version: str,
    data_kind: str,
    site: str,
    spec: str,
    shard: str,
    intake: dsl.Output[dsl.Dataset],
) -> None:
    """What `ingest_dicom` does, for the patients of one shard."""
    from pathlib import Path

    from components.ingest_dicom.params import IngestParams
    from components.ingest_dicom.pseudonym import cohort_key
    from components.ingest_dicom.run import run
    from components.ingest_dicom.shards import Shard
    from components.step import Site, Step

    with Step("ingest", spec, {"intake": intake.path}, shard=shard) as step:
        place = Site.model_validate_json(site)
        part = Shard.parse(shard)
        summary = run(
            data=Path(data_path),
            out=Path(intake.path),
            key=cohort_key(data_kind, place.site_key),
            params=step.params("ingest", IngestParams),
            identity=part.identity(place.home / "intake" / data_version),
            progress=step.progress,
            shard=part,
        )
        step.note(counts=summary.counts)


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def merge_intake(
    data_version: str,
    site: str,
    spec: str,
    shards: dsl.Input[list[dsl.Dataset]],
    intake: dsl.Output[dsl.Dataset],
) -> None:
    """All shards as one intake, as `ingest_dicom` would have written it."""
    from pathlib import Path

    from components.ingest_dicom.merge_shards import merge_intakes, shard_of
    from components.step import Site, Step

    parts = [Path(shard.path) for shard in shards]
    with Step("ingest", spec, {"intake": intake.path}, parts=parts) as step:
        whole = Site.model_validate_json(site).home / "intake" / data_version
        summary = merge_intakes(
            parts, [shard_of(part).identity(whole) for part in parts], Path(intake.path), whole
        )
        step.note(counts=summary.counts)
