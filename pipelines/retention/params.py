"""Section `retention` of params.yaml."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.params import Section


class Kind(StrEnum):
    """What is kept, by the term it has."""

    INTAKE = "intake"
    RETRIEVED = "retrieved"
    QUARANTINE = "quarantine"
    CROPS = "crops"
    RUNS = "runs"
    LOGS = "logs"
    PREDICTIONS = "predictions"


class Term(Section):
    """How long and how much of one kind.

    Attributes
    ----------
    days
        Kept for so many days after it was last written; null: no end.
    size_gb
        Above this the oldest go first, in their term or not (10^9 bytes); null: no limit.
    """

    days: int | None = Field(ge=1, le=36525)
    size_gb: float | None = Field(gt=0, le=1e6)


class RetentionParams(Section):
    """Terms, and when a disk is called full.

    Attributes
    ----------
    intake
        Whose each hash is: `intake/` of the runtime home, one folder a data version.
    retrieved
        Originals that an interrupted `osteogate ingest` or `predict` left: what a DICOMweb server sent, what an archive
        unpacked to. The same command takes them up; when it ends they go.
    quarantine
        Tables and pages of ingest and validation: what was set aside, and what was accepted.
    crops
        Crop stores, and the simulated traffic's crops.
    runs
        Run folders, and what training, evaluation, gate, deployment and drift put out.
    logs
        Of servers and of internal errors.
    predictions
        Rows of the prediction log, with the exams that were joined to them.
    disk_used_warning_percent
        Of the file system that holds the runtime home.
    """

    intake: Term
    retrieved: Term
    quarantine: Term
    crops: Term
    runs: Term
    logs: Term
    predictions: Term
    disk_used_warning_percent: float = Field(gt=0, le=100)

    def term(self, kind: Kind) -> Term:
        """The term of a kind."""
        found: Term = getattr(self, kind.value)
        return found
