"""Hidden causes of a simulated cohort, keyed as its crops are, for the ceiling."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.simulate_cohort.latents import patient_latents
from components.simulate_cohort.patient import draw_patient
from models.errors import InputError

COHORT_FILE = Path("truth") / "latents.csv"  # of a cohort folder
STREAM_FILE = "latents.parquet"  # beside the crop store of a streamed cohort


class LatentsError(InputError):
    """The table of hidden causes cannot be read, or does not say whose they are."""


def read_latents(file: Path) -> pd.DataFrame:
    """One row per patient with a column `patient`, the keyed hash of the crop store.

    Only what was drawn for the patient: nothing of the scanner, the scan or the labels.

    Parameters
    ----------
    file
        truth/latents.csv of a simulated cohort (column `patient_id`), or latents.parquet of a streamed one.

    Raises
    ------
    LatentsError
        Missing, damaged, or without the column that names patients.
    """
    try:
        if file.suffix == ".parquet":
            table = pd.read_parquet(file)
        else:
            table = pd.read_csv(file, dtype={"patient_id": "str"})
    except (OSError, ValueError) as error:
        raise LatentsError(f"{file}: latents cannot be read ({' '.join(str(error).split())})") from error
    if "patient_id" in table:
        pseudonymiser = Pseudonymiser(SIMULATED_KEY)
        table = table.assign(patient=[pseudonymiser.patient(name) for name in table["patient_id"]])
        table = table.drop(columns="patient_id")
    if "patient" not in table:
        raise LatentsError(f"{file}: no column patient_id or patient; found {', '.join(table.columns[:5])}")
    causes = [name for name in patient_latents(draw_patient(0, 0)) if name in table]
    return table[["patient", *causes]]


def latents_beside(data: Path) -> Path | None:
    """The file of a cohort folder, or of a crop store's folder; None where there is none."""
    for file in (data / COHORT_FILE, data / STREAM_FILE, data.parent / STREAM_FILE):
        if file.is_file():
            return file
    return None
