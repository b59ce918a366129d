"""KFP shim: every DICOM file of the data set into the series table, or a coded other object."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def ingest_dicom(
    data_path: str, data_version: str, data_kind: str, site: str, spec: str, intake: dsl.Output[dsl.Dataset]
) -> None:
    """Read headers and image statistics; whose they are stays in the site's intake folder."""
    from pathlib import Path

    from components.ingest_dicom.params import IngestParams
    from components.ingest_dicom.pseudonym import cohort_key
    from components.ingest_dicom.run import run
    from components.step import Site, Step

    with Step("ingest", spec, {"intake": intake.path}) as step:
        place = Site.model_validate_json(site)
        summary = run(
            data=Path(data_path),
            out=Path(intake.path),
            key=cohort_key(data_kind, place.site_key),
            params=step.params("ingest", IngestParams),
            identity=place.home / "intake" / data_version,
            progress=step.progress,
        )
        step.note(counts=summary.counts)
