"""Three patients with CT, levels and DXA, and the three intake steps over them in this process."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.ingest_dicom import run as ingest
from components.ingest_dicom.params import IngestParams
from components.prepare_vertebrae import run as prepare
from components.prepare_vertebrae.params import PrepareParams
from components.validate_dicom import run as validate
from components.validate_dicom.params import ValidateParams
from models.dxa_columns import DXA_COLUMNS
from models.params import load_section
from tests.command_line import CT, EXAM, LEVELS_Z_MM, ROOT
from tests.dicom_factory import make_series

KEY = b"a key of these tests, not secret"
PATIENTS = ("P1", "P2", "P3")


@dataclass(frozen=True)
class Batch:
    """A cohort folder and where the steps write."""

    data: Path
    out: Path

    def ingest(self, **more: Any) -> None:
        ingest.run(
            data=self.data, out=self.out / "intake", identity=self.out / "places", key=KEY,
            params=IngestParams(workers=more.pop("workers", 1)), **more,
        )  # fmt: skip

    def validate(self) -> None:
        validate.run(
            intake=self.out / "intake", dxa_csv=self.data / "dxa.csv", out=self.out / "report", key=KEY,
            params=load_section(ROOT / "params.yaml", "validate", ValidateParams), data_kind="site",
            data_version="v1",
        )  # fmt: skip

    def prepare(self, **more: Any) -> None:
        prepare.run(
            data=self.data, intake=self.out / "places", accepted=self.out / "report" / "accepted.parquet",
            out=more.pop("out", self.out / "prepared"), key=KEY, data_kind="site", data_version="v1",
            only_split="test",
            params=load_section(ROOT / "params.yaml", "prepare", PrepareParams),
            workers=more.pop("workers", 1), **more,
        )  # fmt: skip


def make_batch(data: Path, patients: Sequence[str] = PATIENTS, **ct: Any) -> None:
    """Write the cohort folder: a text file among the images, too."""
    for number, patient in enumerate(patients, start=1):
        make_series(data / "series" / patient, **(CT | ct), series=number, study=number, patient_id=patient)
        levels = [f"{level},0,0,{z}" for level, z in LEVELS_Z_MM.items()]
        (data / "levels").mkdir(exist_ok=True)
        (data / "levels" / f"{patient}.csv").write_text("\n".join(["level,x_mm,y_mm,z_mm", *levels]) + "\n")
    (data / "series" / "readme.txt").write_text("no image\n")
    with (data / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows({**dict.fromkeys(DXA_COLUMNS, ""), **EXAM, "patient_id": name} for name in patients)


def facts(out: Path) -> dict[str, object]:
    """Everything the steps left that does not say when or how fast: tables by value, counts, other files by byte."""
    found: dict[str, object] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".parquet":
            found[name] = pd.read_parquet(path).to_csv(index=False)
        elif path.suffix == ".json" and "data_docs" not in name:
            document = json.loads(path.read_text())
            document.pop("seconds", None)
            found[name] = document
        elif path.suffix in (".npy", ".png"):
            found[name] = path.read_bytes()
        elif "data_docs" not in name or path.name == "index.html":  # the rest of those names their own hour
            found[name] = "is there"
    return found
