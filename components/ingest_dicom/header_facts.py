"""From the values of a data set to the facts of a header."""

from __future__ import annotations

from pathlib import Path

from components.ingest_dicom.declared_contrast import declared_agent
from components.ingest_dicom.headers import Header
from components.ingest_dicom.lossy import is_lossy
from components.ingest_dicom.multi_energy import multi_energy
from components.ingest_dicom.values import Values

# Tables and gantries are some metres long: a position farther off is a broken number, not a place.
POSITION_MM_MAX = 100_000.0


def header_of(path: Path, values: Values, meta: Values, *, truncated: bool) -> Header:
    """The facts of a data set that is known to be a CT image.

    Parameters
    ----------
    meta
        Of the file meta information.
    """
    text, number, texts = values.text, values.number, values.texts
    return Header(
        path=path,
        # some senders leave the class empty in the data set and right in the file meta information
        sop_class_uid=text("SOPClassUID") or meta.text("MediaStorageSOPClassUID"),
        sop_instance_uid=text("SOPInstanceUID") or meta.text("MediaStorageSOPInstanceUID"),
        series_instance_uid=text("SeriesInstanceUID"),
        study_instance_uid=text("StudyInstanceUID"),
        frame_of_reference_uid=text("FrameOfReferenceUID"),
        patient_id=text("PatientID"),
        modality=text("Modality").upper(),
        transfer_syntax_uid=meta.text("TransferSyntaxUID"),
        image_type=tuple(value.upper() for value in texts("ImageType")),
        manufacturer=text("Manufacturer"),
        model=text("ManufacturerModelName"),
        kvp=number("KVP"),
        kernel=text("ConvolutionKernel"),
        slice_thickness_mm=number("SliceThickness"),
        spacing_between_slices_mm=number("SpacingBetweenSlices"),
        pixel_spacing_mm=_positive(values.vector("PixelSpacing", 2)),
        rows=values.integer("Rows"),
        columns=values.integer("Columns"),
        gantry_tilt_deg=number("GantryDetectorTilt"),
        orientation=values.vector("ImageOrientationPatient", 6),
        position_mm=_place(values.vector("ImagePositionPatient", 3)),
        rescale_slope=number("RescaleSlope"),
        rescale_intercept=number("RescaleIntercept"),
        rescale_type=text("RescaleType").upper(),
        photometric=text("PhotometricInterpretation"),
        patient_position=text("PatientPosition").upper(),
        study_description=text("StudyDescription"),
        series_description=text("SeriesDescription"),
        protocol_name=text("ProtocolName"),
        contrast_agent=declared_agent(values),
        sex=text("PatientSex").upper(),
        age_text=text("PatientAge").upper(),
        birth_date=text("PatientBirthDate"),
        study_date=text("StudyDate"),
        acquisition_date=text("AcquisitionDate"),
        lossy=is_lossy(meta.text("TransferSyntaxUID"), text("LossyImageCompression")),
        truncated=truncated,
        bits_stored=values.integer("BitsStored"),
        filters=" ".join((*texts("FilterType"), *texts("FilterMaterial"))),
        body_part=text("BodyPartExamined"),
        quality_control=text("QualityControlSubject"),
        multi_energy=multi_energy(values),
    )


def _positive(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return values if values is not None and all(value > 0 for value in values) else None


def _place(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    near = values is not None and all(abs(value) <= POSITION_MM_MAX for value in values)
    return values if near else None
