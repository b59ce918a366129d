"""Multi-frame CT: the same volume and row as the single-frame series it was made of, or a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import ScanResult, scan_folder
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series, series_uid

SLICES = 14
# what a file is, not what the patient is: these may differ between the two ways of storing
OF_THE_FILES = {"file_count", "transfer_syntax"}


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A single-frame series of noise: no two slices alike, intercepts that differ from slice to slice."""
    hu = np.random.default_rng(5).integers(-1000, 1500, (SLICES, 12, 10)).astype(np.int16)
    make_series(
        tmp_path / "single",
        slices=SLICES,
        rows=12,
        columns=10,
        hu=hu,
        pixel_spacing_mm=(0.5, 0.75),
        orientation="axial_head_first",
        SpacingBetweenSlices=3.0,
        ContrastBolusAgent="OMNIPAQUE",
    )
    return tmp_path / "single"


def _row(scan: ScanResult) -> dict[str, Any]:
    row = inspect_series(scan.series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())
    return {key: value for key, value in asdict(row).items() if key not in OF_THE_FILES}


def _assert_same_series(multi: Path, single: Path) -> None:
    one, other = scan_folder(single), scan_folder(multi)
    assert (len(other.series), other.others) == (1, [])
    expected, found = read_volume(one.series[0]), read_volume(other.series[0])
    np.testing.assert_array_equal(found.hu, expected.hu)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-9)
    np.testing.assert_equal(_row(other), _row(one))  # NaN equals NaN here


def _convert(single: Path, folder: Path, order: Sequence[Sequence[int]], syntax: str) -> None:
    """highdicom's legacy conversion: one object for each group of slice numbers, frames in that order."""
    folder.mkdir()
    datasets = [dcmread(path) for path in sorted(single.iterdir())]
    for dataset in datasets:  # its writer asks for attributes that the reader does not need
        dataset.PatientName, dataset.PatientBirthDate, dataset.AccessionNumber = "Test^Phantom", "", ""
        dataset.StudyID, dataset.StudyTime, dataset.ReferringPhysicianName = "1", "", ""
        dataset.PositionReferenceIndicator, dataset.Laterality, dataset.AcquisitionNumber = "", "", 1
        dataset.SeriesNumber, dataset.SoftwareVersions, dataset.DeviceSerialNumber = 1, "1", "1"
    for number, slices in enumerate(order, start=1):
        LegacyConvertedEnhancedCTImage(
            [datasets[index] for index in slices],
            series_instance_uid=series_uid(1),
            series_number=1,
            sop_instance_uid=generate_uid(),
            instance_number=number,
            transfer_syntax_uid=syntax,
        ).save_as(folder / f"object{number}")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless])
def test_a_legacy_converted_series_is_the_series_it_was_made_of(
    single: Path, tmp_path: Path, syntax: str
) -> None:
    shuffled = np.random.default_rng(1).permutation(SLICES).tolist()
    _convert(single, tmp_path / "multi", [shuffled], syntax)
    _assert_same_series(tmp_path / "multi", single)


def test_a_series_may_span_several_objects(single: Path, tmp_path: Path) -> None:
    _convert(single, tmp_path / "multi", [range(9, SLICES), range(9)], ExplicitVRLittleEndian)
    _assert_same_series(tmp_path / "multi", single)
    assert scan_folder(tmp_path / "multi").file_count == 2


def test_frames_of_objects_that_interleave_find_their_places(single: Path, tmp_path: Path) -> None:
    _convert(single, tmp_path / "multi", [range(1, SLICES, 2), range(0, SLICES, 2)], ExplicitVRLittleEndian)
    found, expected = (read_volume(scan_folder(folder).series[0]) for folder in (tmp_path / "multi", single))
    np.testing.assert_array_equal(found.hu, expected.hu)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-9)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _enhanced(single: Path, folder: Path) -> Dataset:
    """A true enhanced CT object written by hand (DICOM PS3.3 A.38), not yet saved."""
    folder.mkdir()
    sources = [dcmread(path) for path in sorted(single.iterdir())]
    enhanced = sources[0].copy()
    first = sources[0]
    shared = _item(
        PixelMeasuresSequence=[
            _item(
                PixelSpacing=first.PixelSpacing,
                SliceThickness=first.SliceThickness,
                SpacingBetweenSlices=first.SpacingBetweenSlices,
            )
        ],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
        CTXRayDetailsSequence=[_item(KVP=first.KVP)],
        CTReconstructionSequence=[_item(ConvolutionKernel=first.ConvolutionKernel)],
        CTAcquisitionDetailsSequence=[_item(GantryDetectorTilt=first.GantryDetectorTilt)],
        CTImageFrameTypeSequence=[_item(FrameType=first.ImageType)],
        ContrastBolusUsageSequence=[_item(ContrastBolusAgentNumber=1, ContrastBolusAgentAdministered="YES")],
    )
    frames = [
        _item(
            FrameContentSequence=[
                _item(FrameAcquisitionDateTime="20240115101500.0", InStackPositionNumber=1)
            ],
            PlanePositionSequence=[_item(ImagePositionPatient=source.ImagePositionPatient)],
            PixelValueTransformationSequence=[
                _item(
                    RescaleSlope=source.RescaleSlope,
                    RescaleIntercept=source.RescaleIntercept,
                    RescaleType="HU",
                )
            ],
        )
        for source in sources
    ]
    for keyword in (
        "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "KVP",
        "ConvolutionKernel", "GantryDetectorTilt", "ImagePositionPatient", "RescaleSlope",
        "RescaleIntercept", "AcquisitionDate", "ContrastBolusAgent",
    ):  # fmt: skip
        delattr(enhanced, keyword)
    enhanced.file_meta.MediaStorageSOPClassUID = enhanced.SOPClassUID = EnhancedCTImageStorage
    enhanced.ContrastBolusAgentSequence = [_item(CodeMeaning="Iohexol")]
    enhanced.SharedFunctionalGroupsSequence = [shared]
    enhanced.PerFrameFunctionalGroupsSequence = frames
    enhanced.NumberOfFrames = len(frames)
    enhanced.PixelData = b"".join(source.PixelData for source in sources)
    return enhanced


def test_a_true_enhanced_object_is_read_from_its_functional_groups(single: Path, tmp_path: Path) -> None:
    _enhanced(single, tmp_path / "multi").save_as(tmp_path / "multi" / "object")
    _assert_same_series(tmp_path / "multi", single)


def test_another_reader_gets_the_same_volume(single: Path, tmp_path: Path) -> None:
    _convert(single, tmp_path / "multi", [range(SLICES)], ExplicitVRLittleEndian)
    volume = read_volume(scan_folder(tmp_path / "multi").series[0])
    theirs = highdicom.imread(tmp_path / "multi" / "object1").get_volume()
    # their volume may run the other way along an axis: compare patient point by patient point
    index = np.stack(np.meshgrid(*(np.arange(n) for n in theirs.spatial_shape), indexing="ij"), axis=-1)
    ours = np.rint(volume.lps_to_index(index @ theirs.affine[:3, :3].T + theirs.affine[:3, 3])).astype(int)
    np.testing.assert_array_equal(volume.hu[ours[..., 0], ours[..., 1], ours[..., 2]], theirs.array)


def test_rescale_is_applied_frame_by_frame(single: Path, tmp_path: Path) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    last = enhanced.PerFrameFunctionalGroupsSequence[-1].PixelValueTransformationSequence[0]
    last.RescaleSlope, last.RescaleIntercept = 2, -2000
    stored = np.frombuffer(enhanced.PixelData, "<u2").reshape(SLICES, 12, 10)[-1].astype(int)
    enhanced.save_as(tmp_path / "multi" / "object")
    hu = read_volume(scan_folder(tmp_path / "multi").series[0]).hu
    np.testing.assert_array_equal(
        hu[0], np.maximum(2 * stored - 2000, -1024)
    )  # stored head first: lowest last


def test_contrast_that_was_not_yet_given_is_no_contrast(single: Path, tmp_path: Path) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    usage = enhanced.SharedFunctionalGroupsSequence[0].ContrastBolusUsageSequence[0]
    usage.ContrastBolusAgentAdministered = "NO"
    enhanced.save_as(tmp_path / "multi" / "object")
    assert _row(scan_folder(tmp_path / "multi"))["contrast_tag"] is False


def _photon_counting(enhanced: Dataset) -> None:
    detectors = [_item(MultienergyDetectorType="PHOTON_COUNTING")]
    enhanced.MultienergyCTAcquisitionSequence = [_item(MultienergyCTXRayDetectorSequence=detectors)]


def _one_energy(enhanced: Dataset) -> None:
    for frame in enhanced.PerFrameFunctionalGroupsSequence:
        frame.MultienergyCTCharacteristicsSequence = [_item(MonoenergeticEnergyEquivalent=70.0)]


def _material_removed(enhanced: Dataset) -> None:
    kind = [_item(FrameType=["DERIVED", "PRIMARY", "VOLUME", "MAT_REMOVED"])]
    enhanced.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = kind


def _projection(enhanced: Dataset) -> None:
    kind = _item(
        FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], VolumeBasedCalculationTechnique="MAX_IP"
    )
    enhanced.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [kind]


def _tin(enhanced: Dataset) -> None:
    details = enhanced.SharedFunctionalGroupsSequence[0].CTXRayDetailsSequence[0]
    details.FilterType, details.FilterMaterial = "FLAT", ["TIN"]


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (_photon_counting, "photon_counting"), (_one_energy, "monoenergetic"), (_tin, "tin_filtered"),
        (_material_removed, "virtual_non_contrast"), (_projection, "reformat"),
    ],
)  # fmt: skip
def test_what_kind_of_image_it_is_is_read_from_nested_groups(
    single: Path, tmp_path: Path, declare: Any, expected: str
) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    declare(enhanced)
    enhanced.save_as(tmp_path / "multi" / "object")
    row = _row(scan_folder(tmp_path / "multi"))
    assert (row["image_class"], row["image_class_basis"]) == (expected, "header")


def test_two_tubes_that_contradict_each_other_leave_the_voltage_unknown(single: Path, tmp_path: Path) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    enhanced.SharedFunctionalGroupsSequence[0].CTXRayDetailsSequence = [_item(KVP=80), _item(KVP=140)]
    enhanced.save_as(tmp_path / "multi" / "object")
    assert np.isnan(_row(scan_folder(tmp_path / "multi"))["kvp"])


def _time_points(enhanced: Dataset) -> None:
    for number, frame in enumerate(enhanced.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence[0].TemporalPositionIndex = 1 + number % 2


def _mixed_types(enhanced: Dataset) -> None:
    scout = _item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
    enhanced.PerFrameFunctionalGroupsSequence[3].CTImageFrameTypeSequence = [scout]


def _no_groups(enhanced: Dataset) -> None:
    del enhanced.PerFrameFunctionalGroupsSequence


def _too_few_groups(enhanced: Dataset) -> None:
    del enhanced.PerFrameFunctionalGroupsSequence[-1]


@pytest.mark.parametrize("spoil", [_time_points, _mixed_types, _no_groups, _too_few_groups])
def test_frames_that_are_no_single_stack_are_listed_with_the_code(
    single: Path, tmp_path: Path, spoil: Any
) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    spoil(enhanced)
    enhanced.save_as(tmp_path / "multi" / "object")
    result = scan_folder(tmp_path / "multi")
    assert (result.series, [other.code for other in result.others]) == ([], [Code.ENHANCED_MULTIFRAME])


@pytest.mark.parametrize(
    ("group", "code"),
    [
        ("PlanePositionSequence", Code.ORIENTATION_MISSING),
        ("PixelValueTransformationSequence", Code.RESCALE_MISSING),
    ],
)
def test_a_frame_without_position_or_rescale_is_refused(
    single: Path, tmp_path: Path, group: str, code: Code
) -> None:
    enhanced = _enhanced(single, tmp_path / "multi")
    delattr(enhanced.PerFrameFunctionalGroupsSequence[2], group)
    enhanced.save_as(tmp_path / "multi" / "object")
    with pytest.raises(RefusedError) as caught:
        read_volume(scan_folder(tmp_path / "multi").series[0])
    assert caught.value.codes == (code,)


def test_an_object_cut_short_is_refused(single: Path, tmp_path: Path) -> None:
    path = tmp_path / "multi" / "object"
    _enhanced(single, tmp_path / "multi").save_as(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(RefusedError) as caught:
        read_volume(scan_folder(tmp_path / "multi").series[0])
    assert caught.value.codes == (Code.FILE_TRUNCATED,)
