"""Where the files of each hashed series are: the identity side of the intake, which stays in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from components.ingest_dicom.scan import SeriesFiles, series_from_paths
from models.errors import InputError

SCHEMA_VERSION = 1
FILE_NAME = "locations.json"


class LocationsError(InputError):
    """locations.json is missing, damaged, of another version, or does not know a series."""


@dataclass(frozen=True)
class SeriesLocation:
    """Where one series is and whose it is. Paths are relative to the data folder.

    Attributes
    ----------
    files
        The CT images.
    levels
        The one file with its vertebra levels (a site's level file, else the only SEG or RTSTRUCT that names levels
        of the series); None when there is none or several compete.
    segmentations
        Every SEG and RTSTRUCT of the series that names L1-L4, else those that do not say what they hold.
    """

    files: tuple[str, ...]
    levels: str | None
    segmentations: tuple[str, ...]
    patient_id: str
    series_instance_uid: str


@dataclass(frozen=True)
class Locations:
    """Series hash to its place, and file hash to the path of every other file."""

    series: dict[str, SeriesLocation]
    others: dict[str, str]

    def __getitem__(self, series: str) -> SeriesLocation:
        if series not in self.series:
            raise LocationsError(f"{FILE_NAME}: no series {series}; run the ingest step again")
        return self.series[series]

    def series_files(self, series: str, data: Path) -> SeriesFiles:
        """The files of a series, headers read again, ready for `read_volume`."""
        return series_from_paths(data / file for file in self[series].files)


def write_locations(locations: Locations, path: Path) -> None:
    """Write as JSON by series and file, readable by its owner only, beside and renamed in."""
    ordered = Locations(dict(sorted(locations.series.items())), dict(sorted(locations.others.items())))
    document = {"schema_version": SCHEMA_VERSION, **asdict(ordered)}
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(document, indent=1), encoding="utf-8")
    partial.replace(path)


def read_locations(path: Path) -> Locations:
    """Read what `write_locations` wrote (the file, or the intake folder it is in).

    Raises
    ------
    LocationsError
        When the file is missing, damaged or of another schema version.
    """
    path = path / FILE_NAME if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise LocationsError(
                f"{path}: schema version {version}; {SCHEMA_VERSION} is accepted: ingest again"
            )
        series = {
            key: SeriesLocation(
                files=tuple(item["files"]),
                levels=item["levels"],
                segmentations=tuple(item["segmentations"]),
                patient_id=item["patient_id"],
                series_instance_uid=item["series_instance_uid"],
            )
            for key, item in document["series"].items()
        }
        return Locations(series=series, others=document["others"])
    except OSError as error:
        raise LocationsError(
            f"{path}: cannot be read ({error.strerror}); run the ingest step first"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocationsError(
            f"{path}: damaged ({type(error).__name__}: {error}); run the ingest step again"
        ) from error
