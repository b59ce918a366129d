"""KFP shim: sagittal L1-L4 crops of the accepted series into the crop store, split by patient."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def prepare_vertebrae(
    data_path: str,
    data_version: str,
    data_kind: str,
    site: str,
    spec: str,
    validated: dsl.Input[dsl.Dataset],
    segmented: dsl.Input[dsl.Dataset],
    store: dsl.Output[dsl.Dataset],
) -> None:
    """Crop every accepted series; the store lies in `store/crops`."""
    from pathlib import Path

    from components.ingest_dicom.pseudonym import cohort_key
    from components.prepare_vertebrae.params import PrepareParams
    from components.prepare_vertebrae.run import run
    from components.step import Site, Step

    with Step("prepare", spec, {"store": store.path}) as step:
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
        )
        step.note(counts=summary.counts)
