"""Finished patients of a stream on disk, a few to a file, so that a killed stream goes on where it was."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.prepare_vertebrae.streamed_patient import StreamedPatient, StreamParams, stream_patient
from components.simulate_cohort.patient_folder import PatientTask


@dataclass(frozen=True)
class Shard:
    """A few patients and the file that holds what they gave.

    Attributes
    ----------
    jobs
        (task, split) of each patient.
    """

    path: Path
    jobs: tuple[tuple[PatientTask, str], ...]

    @property
    def done(self) -> bool:
        """Whether the file is there and whole; what is left of a torn one is removed."""
        if not self.path.is_file():
            return False
        if zipfile.is_zipfile(self.path):
            return True
        self.path.unlink()
        return False


@dataclass(frozen=True)
class ShardOutcome:
    """What the parent process remembers of a shard; the crops stay on disk.

    Attributes
    ----------
    refused
        Patients who gave no crop: index, patient, vendor, left_out.
    """

    path: Path
    patients: int
    refused: tuple[tuple[int, str, str, list[tuple[str, str, str]]], ...]


def make_shard(shard: Shard, params: StreamParams) -> ShardOutcome:
    """Stream the patients of a shard into its file, written beside and renamed in; kept if there already."""
    if not shard.done:
        made = [stream_patient(task, split, params) for task, split in shard.jobs]
        shard.path.parent.mkdir(parents=True, exist_ok=True)
        beside = shard.path.with_name(f".{shard.path.name}.partial")
        facts = [
            {
                "index": item.index,
                "patient": item.patient,
                "vendor": item.vendor,
                "rows": item.rows,
                "left_out": item.left_out,
                "latents": item.latents,
            }
            for item in made
        ]
        with beside.open("wb") as target:
            np.savez(
                target, crops=np.concatenate([item.crops for item in made]), facts=np.array(json.dumps(facts))
            )
        beside.replace(shard.path)
    refused = tuple(
        (item.index, item.patient, item.vendor, item.left_out)
        for item in read_shard(shard.path)
        if not item.rows
    )
    return ShardOutcome(shard.path, len(shard.jobs), refused)


def read_shard(path: Path) -> Iterator[StreamedPatient]:
    """The patients of a finished shard."""
    with np.load(path, allow_pickle=False) as content:
        crops, start = content["crops"], 0
        for item in json.loads(str(content["facts"])):
            end = start + len(item["rows"])
            yield StreamedPatient(
                **{**item, "left_out": [tuple(entry) for entry in item["left_out"]]}, crops=crops[start:end]
            )
            start = end
