"""KFP shim: Great Expectations over series, DXA and pairing; accepted table, quarantine, Data Docs."""

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def validate_dicom(
    data_path: str,
    data_version: str,
    data_kind: str,
    site: str,
    spec: str,
    intake: dsl.Input[dsl.Dataset],
    validated: dsl.Output[dsl.Dataset],
) -> None:
    """Check every series and exam; nothing is dropped without a code."""
    from pathlib import Path

    from components.ingest_dicom.pseudonym import cohort_key
    from components.step import Site, Step
    from components.validate_dicom.accepted_batches import FILE_NAME
    from components.validate_dicom.params import ValidateParams
    from components.validate_dicom.run import run

    with Step("validate", spec, {"validated": validated.path}) as step:
        place = Site.model_validate_json(site)
        summary = run(
            intake=Path(intake.path),
            dxa_csv=Path(data_path) / "dxa.csv",
            out=Path(validated.path),
            key=cohort_key(data_kind, place.site_key),
            params=step.params("validate", ValidateParams),
            data_kind=data_kind,
            data_version=data_version,
            # a pod without the site's own folder keeps no record: vendors are then 'not checked'
            batches=place.home / "validation" / FILE_NAME if place.home.is_dir() else None,
            # the switch alone: its section belongs to a later step
            levels_follow=bool(step.spec["params"].get("segment", {}).get("engine")),
        )
        step.note(counts=summary.counts, codes=summary.codes)
