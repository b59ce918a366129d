"""KFP shim: label maps of vertebrae for accepted series that came without levels; nothing where the engine is off."""

from kfp import dsl


@dsl.component(base_image="osteogate-totalsegmentator", install_kfp_package=False)
def segment_levels(
    data_path: str,
    data_version: str,
    site: str,
    spec: str,
    validated: dsl.Input[dsl.Dataset],
    segmented: dsl.Output[dsl.Dataset],
) -> None:
    """Ask the site's segmentation engine where the vertebrae are."""
    from pathlib import Path

    from components.segment_levels.params import SegmentParams
    from components.segment_levels.run import run
    from components.step import Site, Step

    with Step("segment", spec, {"segmented": segmented.path}) as step:
        place = Site.model_validate_json(site)
        summary = run(
            data=Path(data_path),
            intake=place.home / "intake" / data_version,
            accepted=Path(validated.path) / "accepted.parquet",
            out=Path(segmented.path),
            params=step.params("segment", SegmentParams),
            progress=step.progress,
        )
        step.note(counts=summary.counts)
