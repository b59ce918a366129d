"""Parts `ingest.archive` and `ingest.dicomweb` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from models.params import Section


class ArchiveLimits(Section):
    """How much an archive may unpack to.

    Attributes
    ----------
    unpacked_gb_max
        10^9 bytes over all members.
    members_max
        Members, folders apart.
    ratio_max
        Unpacked bytes per byte of the archive.
    """

    unpacked_gb_max: float = Field(default=50.0, gt=0, le=10_000)
    members_max: int = Field(default=200_000, ge=1)
    ratio_max: float = Field(default=100.0, gt=1)


class DicomWebParams(Section):
    """How a DICOMweb server is asked.

    Attributes
    ----------
    timeout_s
        Without a byte from the server.
    attempts
        Of a request that the server answers as overloaded, with growing pauses.
    series_max
        A query that finds more is refused as a mistake.
    modalities
        Series of other modalities are counted and left on the server.
    """

    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    attempts: int = Field(default=3, ge=1, le=10)
    series_max: int = Field(default=2000, ge=1)
    modalities: tuple[str, ...] = Field(default=("CT", "SEG", "RTSTRUCT"), min_length=1)
