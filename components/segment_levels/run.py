"""The segment step: label maps for accepted series that came without levels, if a site has turned the engine on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from components.ingest_dicom.locations import read_locations
from components.ingest_dicom.read_volume import read_volume
from components.segment_levels.engine import (
    SUFFIX,
    EngineFacts,
    EngineFailedError,
    require_engine,
    require_fit_engine,
    segment_volume,
)
from components.segment_levels.params import SegmentParams
from components.validate_dicom.tables import read_accepted
from models.errors import OsteoGateError
from models.refusal import RefusedError
from models.write_failure import unwritten

SCHEMA_VERSION = 1
LABELS_FOLDER = "labels"
Progress = Callable[[int, int], None]
log = structlog.get_logger()


class SegmentWriteError(OsteoGateError):
    """A label map or the manifest could not be written."""


@dataclass(frozen=True)
class SegmentSummary:
    """What the step did.

    Attributes
    ----------
    counts
        series = series_with_levels + series_segmented + series_failed + series_without_levels.
    failed
        Why the engine gave nothing, by series hash; prepare refuses these as LEVELS_MISSING.
    engine
        Its name and version; None when it is off or was not needed.
    """

    counts: dict[str, int]
    failed: dict[str, str] = field(default_factory=dict)
    engine: dict[str, str] | None = None


def run(
    *,
    data: Path,
    intake: Path,
    accepted: Path,
    out: Path,
    params: SegmentParams,
    progress: Progress | None = None,
) -> SegmentSummary:
    """Write `out/labels/<series hash>.totalseg.nii.gz` for series without levels, and `out/manifest.json`.

    Parameters
    ----------
    data, intake, accepted
        The cohort folder, the folder with locations.json, validation's accepted.parquet.

    Raises
    ------
    EngineEnvironmentError, EngineWeightsError
        The engine is turned on and not whole, or does not load: before any series is read.
    SegmentWriteError
        Disk full and the like.
    ValidationTableError, LocationsError
        The inputs are missing, damaged or do not fit together.
    """
    series = sorted(read_accepted(accepted.parent)["series"].astype(str))
    locations = read_locations(intake)
    without = [name for name in series if not locations[name].levels and not locations[name].segmentations]
    failed: dict[str, str] = {}
    facts: EngineFacts | None = None
    if params.engine is not None:
        (require_fit_engine if without else require_engine)(params)
        for done, name in enumerate(without, start=1):
            try:
                volume = read_volume(locations.series_files(name, data))
                facts = segment_volume(volume, label_map_of(out, name), params)
            except (EngineFailedError, RefusedError) as error:
                failed[name] = " ".join(str(error).split())
                log.warning("series_not_segmented", series=name, reason=failed[name])
            except OSError as error:
                raise SegmentWriteError(f"{out}: not written {unwritten(error)}") from error
            if progress is not None:
                progress(done, len(without))
    tried = len(without) if params.engine is not None else 0
    summary = SegmentSummary(
        {
            "series": len(series),
            "series_with_levels": len(series) - len(without),
            "series_segmented": tried - len(failed),
            "series_failed": len(failed),
            "series_without_levels": len(without) - tried,
        },
        failed,
        asdict(facts) if facts else None,
    )
    _write_manifest(out, summary, params)
    return summary


def label_map_of(folder: Path, series: str) -> Path:
    """Where the label map of a series lies in the step's output, whether or not it is there."""
    return folder / LABELS_FOLDER / f"{series}{SUFFIX}"


def _write_manifest(out: Path, summary: SegmentSummary, params: SegmentParams) -> None:
    facts = {"resolution_mm": params.resolution_mm} if params.engine else {}
    document = {"schema_version": SCHEMA_VERSION, **asdict(summary), **facts}
    partial = out / ".manifest.json.partial"
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(document, indent=2))
        partial.replace(out / "manifest.json")
    except OSError as error:
        raise SegmentWriteError(f"{out}: not written {unwritten(error)}") from error
