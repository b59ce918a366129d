"""Sound files for the other doors: segmentations, structure sets, label maps, a DICOMDIR, tables, multi-frame CT."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import nibabel
import numpy as np
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid

from models.dxa_columns import DXA_COLUMNS
from tests.command_line import EXAM
from tests.components.prepare_vertebrae.level_objects import box_contours, write_rtstruct, write_seg
from tests.dicom_factory import make_series, series_uid
from tests.fuzz.corpus import read_base
from tests.fuzz.entrances import Doors

REAL_LEVELS = {
    "ge_lightspeed_dicom_seg": ("liver.dcm",),
    "totalseg_ct_lumbar_labelled": ("totalseg.nii.gz", "example_ct.nii.gz"),
    "l3_crop_labelled": ("sub-ct_seg-vert_label-22_msk.nii.gz",),
}
CENTRES_Z_MM = {"L1": 150.0, "L2": 114.0, "L3": 78.0, "L4": 42.0}
SMALL = 64 << 10  # bytes of an image that goes into an archive


def load_doors(folder: Path) -> Doors:
    """What `write_other_sources` left in `folder`."""
    levels = sorted((folder / "levels").iterdir())
    objects = [path for path in levels if path.suffix == ".dcm"]
    singles = [path for path in sorted((folder / "single").iterdir()) if path.stat().st_size < SMALL]
    return Doors(
        level_objects=[read_base(path.name, path.read_bytes()) for path in objects],
        level_files=[path for path in levels if path not in objects],
        media=[read_base(path.name, path.read_bytes()) for path in sorted((folder / "media").iterdir())],
        images=[read_base(path.name, path.read_bytes()) for path in singles],
        tables=sorted((folder / "tables").iterdir()),
    )


def write_other_sources(folder: Path, *, real: Path | None) -> None:
    """Fill `levels`, `media` and `tables` of a corpus, and put multi-frame CT among its single files."""
    for name in ("levels", "media", "tables"):
        (folder / name).mkdir(parents=True)
    slices = _slices(folder / "making")
    _multi_frame(slices, folder / "single")
    _levels(slices, folder / "levels")
    files = FileSet()
    for dataset in slices[:3]:
        files.add(dataset)
    files.write(folder / "medium")
    (folder / "medium" / "DICOMDIR").rename(folder / "media" / "DICOMDIR")
    with (folder / "tables" / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows({**dict.fromkeys(DXA_COLUMNS, ""), **EXAM, "patient_id": f"P{n}"} for n in range(4))
    for archive, names in REAL_LEVELS.items() if real is not None else ():
        with tarfile.open(real / f"{archive}.tar.xz") as tar:
            for name in names:
                content = tar.extractfile(f"{archive}/{name}")
                assert content is not None
                (folder / "levels" / f"{archive}-{name}").write_bytes(content.read())


def _slices(folder: Path) -> list[FileDataset]:
    """A trunk of 64 slices with what highdicom's and pydicom's writers ask for."""
    noise = np.random.default_rng(3).integers(-20, 60, (64, 36, 34), dtype=np.int16)
    paths = make_series(
        folder, slices=64, rows=36, columns=34, hu=noise, pixel_spacing_mm=(3.0, 3.0), origin_mm=(-30.0, -36.0, 0.0),
        PatientName="Test^Phantom", PatientBirthDate="", AccessionNumber="", StudyID="1", StudyTime="1200",
        ReferringPhysicianName="", PositionReferenceIndicator="", Laterality="", AcquisitionNumber=1, SeriesNumber=1,
        SoftwareVersions="1", DeviceSerialNumber="1",
    )  # fmt: skip
    return [dcmread(path) for path in paths]


def _multi_frame(slices: list[FileDataset], folder: Path) -> None:
    """Frames in another order than their slices, in each way that they are compressed."""
    order = [3, 0, 5, 1, 4, 2]
    for syntax in (ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless, RLELossless):
        LegacyConvertedEnhancedCTImage(
            [slices[index] for index in order], series_instance_uid=series_uid(1), series_number=1,
            sop_instance_uid=generate_uid(entropy_srcs=[syntax]), instance_number=1, transfer_syntax_uid=syntax,
        ).save_as(folder / f"factory-multi-frame-{syntax.rsplit('.', 1)[1]}")  # fmt: skip


def _levels(slices: list[FileDataset], folder: Path) -> None:
    z, y, x = np.mgrid[:64, :36, :34]
    labels = np.zeros((64, 36, 34), np.uint8)
    for number, height_mm in enumerate(CENTRES_Z_MM.values(), start=1):
        labels[(np.abs(z * 3.0 - height_mm) < 13) & (np.abs(y - 12) < 6) & (np.abs(x - 10) < 7)] = number
    described = list(zip(CENTRES_Z_MM, ("66794005", "14293000", "36470004", "11994002"), strict=True))
    write_seg(slices, labels, folder / "binary.dcm", described)
    fractions = np.stack([labels == number for number in range(1, 5)], axis=-1).astype(np.float32)
    write_seg(slices, fractions, folder / "fractional.dcm", described, kind="FRACTIONAL")
    centres = {name: np.array([0.0, 0.0, height]) for name, height in CENTRES_Z_MM.items()}
    boxes = {name: box_contours(centre) for name, centre in centres.items()}
    write_rtstruct(folder / "contours.dcm", boxes, series_uid=series_uid(1), codes=dict(described))
    points = {name: [("POINT", centre[None])] for name, centre in centres.items()}
    write_rtstruct(folder / "points.dcm", points, series_uid=series_uid(1))
    table = [
        "level,x_mm,y_mm,z_mm,series_instance_uid",
        *(f"{n},0,0,{h},1.2.3" for n, h in CENTRES_Z_MM.items()),
    ]
    (folder / "centres.csv").write_text("\n".join(table) + "\n")
    numbered = np.select([labels == n for n in range(1, 5)], [31, 30, 29, 28], 0).astype(np.uint8)
    affine = np.diag([-3.0, -3.0, 3.0, 1.0])
    for name in ("map.totalseg.nii.gz", "map.totalseg.nii"):
        nibabel.save(nibabel.Nifti1Image(numbered.transpose(2, 1, 0), affine), folder / name)
