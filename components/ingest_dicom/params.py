"""Section `ingest` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from components.ingest_dicom.source_params import ArchiveLimits, DicomWebParams
from models.params import Section


class IngestParams(Section):
    """How a folder is read.

    Attributes
    ----------
    workers
        Processes that read series at the same time; null takes the number of CPUs.
    statistics_slices
        Slices of a series that its HU statistics are taken from, evenly spread.
    position_tolerance_mm
        How far slice positions may stray from an even grid before the grid counts as broken.
    deidentify
        Whether `osteogate ingest` de-identifies what it copies.
    archive
        Limits of what is unpacked.
    dicomweb
        How a DICOMweb server is asked.
    """

    workers: int | None = Field(default=None, ge=1, le=256)
    statistics_slices: int = Field(default=24, ge=3, le=1000)
    position_tolerance_mm: float = Field(default=0.1, gt=0, le=1.0)
    deidentify: bool = True
    archive: ArchiveLimits = ArchiveLimits()
    dicomweb: DicomWebParams = DicomWebParams()
