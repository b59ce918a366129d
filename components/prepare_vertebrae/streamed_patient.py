"""One patient from the seed to crops, through the very code that DICOM files go through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.prepare_vertebrae.accepted_table import accepted_series
from components.prepare_vertebrae.levels import spine_of
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.series_crops import prepare_volume
from components.prepare_vertebrae.streamed_series import LEVEL_FILE, streamed_series
from components.simulate_cohort.patient_folder import PatientTask, image_patient, patient_id
from components.validate_dicom.judge_patient import judge_patient
from components.validate_dicom.params import ValidateParams
from models.refusal import RefusedError

PSEUDONYMS = Pseudonymiser(SIMULATED_KEY)


@dataclass(frozen=True)
class StreamParams:
    """The sections of params.yaml that a streamed patient depends on."""

    ingest: IngestParams
    validate: ValidateParams
    prepare: PrepareParams


@dataclass(frozen=True, eq=False)
class StreamedPatient:
    """What one patient gave.

    Attributes
    ----------
    patient
        Keyed hash.
    crops
        (N, C, H, W) int16 HU, one per row.
    rows
        Index rows of the crop store.
    left_out
        (level or "" for the whole patient, code, what was found).
    latents
        The row of the truth table, its patient the keyed hash.
    """

    index: int
    patient: str
    vendor: str
    crops: NDArray[np.int16]
    rows: list[dict[str, object]]
    left_out: list[tuple[str, str, str]]
    latents: dict[str, str]


def stream_id(index: int, seed: int) -> str:
    """The PatientID of a streamed patient: cohorts of different seeds share nobody, nor a name."""
    return f"{seed}-{patient_id(index)}"


def stream_hash(index: int, seed: int) -> str:
    """Keyed hash of the patient."""
    return PSEUDONYMS.patient(stream_id(index, seed))


def stream_patient(task: PatientTask, split: str, params: StreamParams) -> StreamedPatient:
    """Simulate, ingest, validate and prepare one patient in memory; a refusal is part of the result."""
    pid = stream_id(task.index, task.seed)
    made = image_patient(task, pid)
    patient = PSEUDONYMS.patient(pid)
    latents = {"patient": patient, **{k: v for k, v in made.latents.items() if k != "patient_id"}}
    crops: list[NDArray[np.int16]] = []
    rows: list[dict[str, object]] = []
    left_out: list[tuple[str, str, str]] = []
    try:
        if made.image is None:
            raise ValueError("a streamed cohort has no planted defects")
        tolerance_mm = params.ingest.position_tolerance_mm
        read = streamed_series(made, made.image, position_tolerance_mm=tolerance_mm)
        series = inspect_series(read.files, PSEUDONYMS, params.ingest, volume=read.volume, has_levels=True)
        accepted = accepted_series(judge_patient(series, made.exam.row, PSEUDONYMS, params.validate))
        levels = spine_of(read.labels, params.prepare.levels, source=LEVEL_FILE, volume=read.volume).levels
        result = prepare_volume(read.volume, levels, accepted, split, params.prepare)
        crops, rows = result.crops, result.rows
        left_out = [(item.level, item.refusal.code.value, item.refusal.found) for item in result.left_out]
    except RefusedError as error:
        left_out = [("", refusal.code.value, refusal.found) for refusal in error.refusals]
    geometry = params.prepare.geometry
    empty = np.empty((0, geometry.slices, geometry.pixels, geometry.pixels), dtype=np.int16)
    return StreamedPatient(
        index=task.index,
        patient=patient,
        vendor=task.vendor,
        crops=np.stack(crops) if crops else empty,
        rows=rows,
        left_out=left_out,
        latents=latents,
    )
