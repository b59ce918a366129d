"""One patient of the cohort from field to files: the unit of work of a worker process."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from components.simulate_cohort.abdomen import Enhancement
from components.simulate_cohort.attenuation import HuTable, hu_table, monoenergetic_table
from components.simulate_cohort.ct import CtImage, render
from components.simulate_cohort.dicom_seg import encode_segmentation
from components.simulate_cohort.dicom_series import (
    SeriesHeader,
    encode,
    ordinary_header,
    series_datasets,
)
from components.simulate_cohort.dxa_exam import DxaExam, examine
from components.simulate_cohort.latents import latent_row
from components.simulate_cohort.localizer import localizer_dataset
from components.simulate_cohort.mineral_field import MineralField, build_field
from components.simulate_cohort.patient import Patient, draw_patient
from components.simulate_cohort.planned_defects import CONTRAST_DEFECTS, DEFECTS
from components.simulate_cohort.scanner import Acquisition, draw_acquisition
from components.simulate_cohort.seeding import fixed_uid

FIRST_DAY = date(2023, 1, 9)
TILT_DEG = 14.0
MONO_KEV = 50.0
FINDING_COLUMNS = ("patient_id", "level", "finding", "size")
VNC_CALCIUM_LEFT = 0.45  # share of calcium that a virtual non-contrast image leaves; illustrative


@dataclass(frozen=True)
class PatientTask:
    """What a worker needs to make one patient."""

    index: int
    seed: int
    vendor: str
    defect: str | None
    matrix: int
    pixel_range_mm: tuple[float, float]
    rle: bool


@dataclass(frozen=True)
class PatientResult:
    """Rows that a finished patient adds to the tables (kept in its folder until the cohort is complete)."""

    index: int
    vendor: str
    dxa: dict[str, str] | None
    latents: dict[str, str]
    defects: list[dict[str, str]]
    findings: list[dict[str, str]]


def patient_id(index: int) -> str:
    """P0001 for index 0."""
    return f"P{index + 1:04d}"


def header_with_defect(header: SeriesHeader, defect: str | None) -> SeriesHeader:
    """The header that a planted defect leaves of an ordinary one."""
    if defect == "spacing_wrong":
        return replace(header, declared_spacing_mm=header.declared_spacing_mm * 1.6)
    if defect == "modality_conflict":
        return replace(header, modality="MR")
    if defect == "contrast_by_tag":
        return replace(header, contrast_agent="IOMEPROL 350")
    if defect == "contrast_by_words":
        return replace(header, description="ABD PORTAL VENOUS PHASE", protocol="Abdomen with contrast")
    if defect == "virtual_non_contrast":
        image_type = ("DERIVED", "PRIMARY", "AXIAL", "CT_SOM7 SPI DUAL", "VNC")
        return replace(header, image_type=image_type, description="VNC 3.0 Qr40")
    if defect == "monoenergetic":
        image_type = ("DERIVED", "SECONDARY", "AXIAL", "MONO", f"{MONO_KEV:.0f}KEV")
        return replace(header, image_type=image_type, description=f"Monoenergetic {MONO_KEV:.0f} keV")
    if defect == "vendor_unknown":
        return replace(header, manufacturer="Phantomworks Imaging", model="PW-1")
    return header


def _attenuation(defect: str | None, kvp: float) -> HuTable:
    if defect == "monoenergetic":
        return monoenergetic_table(MONO_KEV)
    table = hu_table(kvp)
    if defect == "virtual_non_contrast":
        return replace(table, hu_per_mg_cc=table.hu_per_mg_cc * VNC_CALCIUM_LEFT)
    return table


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_series(
    folder: Path,
    task: PatientTask,
    patient: Patient,
    acquisition: Acquisition,
    header: SeriesHeader,
    image: CtImage,
) -> str:
    """Write CT slices and SEG; returns the SeriesInstanceUID."""
    tilt = TILT_DEG if task.defect == "gantry_tilt" else 0.0
    datasets = series_datasets(patient, header, acquisition, image, tilt_deg=tilt)
    labels = image.labels[::-1]
    day = header.study_date
    uid = [
        fixed_uid(task.seed, patient.purpose, header.patient_id, name) for name in ("seg", "seg-1", "seg-dim")
    ]
    # the SEG refers to CT images, whatever a planted defect does to the headers afterwards
    sound = datasets
    if task.defect == "modality_conflict":
        sound = series_datasets(patient, replace(header, modality="CT"), acquisition, image)
    seg = encode_segmentation(
        sound, labels, series_uid=uid[0], instance_uid=uid[1], dimension_uid=uid[2], study_date=day
    )
    _write(folder / "seg.dcm", seg)
    middle = len(datasets) // 2
    if task.defect == "duplicate_uid":
        twin = datasets[middle].SOPInstanceUID
        datasets[middle + 1].SOPInstanceUID = twin
        datasets[middle + 1].file_meta.MediaStorageSOPInstanceUID = twin
    for number, dataset in enumerate(datasets, start=1):
        if task.defect == "slice_missing" and number == middle:
            continue  # this is the planted gap
        content = encode(dataset, rle=task.rle)
        if task.defect == "file_truncated" and number == middle:
            content = content[: len(content) // 3]
        _write(folder / "ct" / f"IM{number:04d}.dcm", content)
    return str(datasets[0].SeriesInstanceUID)


@dataclass(frozen=True)
class ImagedPatient:
    """One patient scanned and imaged, before anything is written.

    Attributes
    ----------
    image
        None when the planted defect is that there is no CT.
    latents
        The row of truth/latents.csv.
    """

    patient: Patient
    field: MineralField
    acquisition: Acquisition
    exam: DxaExam
    header: SeriesHeader
    image: CtImage | None
    latents: dict[str, str]


def image_patient(task: PatientTask, pid: str) -> ImagedPatient:
    """From the seed to the CT and the DXA row of one patient: the same whether files are written or not."""
    patient = draw_patient(task.index, task.seed)
    field = build_field(patient)
    rng = patient.stream("acquisition")
    acquisition = draw_acquisition(
        rng, task.vendor, bmi=patient.bmi, matrix=task.matrix, pixel_range_mm=task.pixel_range_mm
    )
    study_date = FIRST_DAY + timedelta(days=int(rng.integers(0, 600)))
    lumen = float(rng.uniform(180.0, 300.0))
    enhancement = Enhancement(lumen if task.defect in CONTRAST_DEFECTS else None)
    exam = examine(field, pid, study_date, task.defect)
    image = None
    if task.defect != "ct_missing":
        image = render(
            field,
            acquisition,
            rng=patient.stream("noise"),
            table=_attenuation(task.defect, acquisition.kvp),
            enhancement=enhancement,
            tilt_deg=TILT_DEG if task.defect == "gantry_tilt" else 0.0,
        )
    header = ordinary_header(patient, pid, study_date, acquisition)
    header = header_with_defect(header, task.defect)
    latents = latent_row(field, exam, acquisition, image, pid, task.defect)
    return ImagedPatient(patient, field, acquisition, exam, header, image, latents)


def make_patient(task: PatientTask, root: Path) -> PatientResult:
    """Simulate one patient and write `root/series/<id>`; complete or absent, and kept if already complete."""
    pid = patient_id(task.index)
    record = root / "parts" / f"{pid}.json"
    if record.exists():
        return PatientResult(**json.loads(record.read_text()))
    folder = root / "series" / pid
    if folder.exists():
        shutil.rmtree(folder)  # left by an interrupted run
    made = image_patient(task, pid)
    series_uid = ""
    if made.image is not None:
        series_uid = _write_series(folder, task, made.patient, made.acquisition, made.header, made.image)
        if task.defect == "localizer":
            scout = localizer_dataset(made.field, made.patient, made.header, made.acquisition)
            _write(folder / "scout" / "IM0001.dcm", encode(scout))
            series_uid = str(scout.SeriesInstanceUID)
        if task.defect == "not_dicom":
            _write(folder / "ct" / "readme.txt", b"Exported for research. This file is not DICOM.\n")
    defects = []
    if task.defect is not None:
        row = {"patient_id": pid, "series_instance_uid": series_uid, "defect": task.defect}
        defects.append({**row, "expected_code": DEFECTS[task.defect].value})
    dxa = None if task.defect == "dxa_missing" else made.exam.row
    findings = [
        dict(zip(FINDING_COLUMNS, (pid, *found), strict=True)) for found in made.field.findings.rows()
    ]
    result = PatientResult(task.index, task.vendor, dxa, made.latents, defects, findings)
    beside = record.with_suffix(".partial")
    _write(beside, json.dumps(asdict(result)).encode())
    beside.rename(record)
    return result
