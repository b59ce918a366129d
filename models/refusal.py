"""The one enumeration of coded refusals: code, what it rests on, meaning, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from models.errors import InputError


class Basis(StrEnum):
    """What a verdict rests on; verdicts that rest on words may change when descriptions are scrubbed."""

    FILE = "file"
    HEADER = "header"
    GEOMETRY = "geometry"
    WORDS = "words"
    IMAGE = "image"
    TABLE = "table"
    LEVELS = "levels"


class Meaning(NamedTuple):
    basis: Basis
    meaning: str
    action: str


class Code(StrEnum):
    """Coded reasons for refusing a file, series, exam or study. The text of each is in `MEANINGS`."""

    # file
    NOT_DICOM = "NOT_DICOM"
    FILE_TRUNCATED = "FILE_TRUNCATED"
    NOT_CT = "NOT_CT"
    PIXELS_UNREADABLE = "PIXELS_UNREADABLE"
    EMPTY_INPUT = "EMPTY_INPUT"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_COPY = "FILE_COPY"
    ENHANCED_MULTIFRAME = "ENHANCED_MULTIFRAME"
    SIZE_IMPLAUSIBLE = "SIZE_IMPLAUSIBLE"
    # source (archive, DICOMDIR, DICOMweb)
    PATH_UNSAFE = "PATH_UNSAFE"
    ARCHIVE_NOT_OPENED = "ARCHIVE_NOT_OPENED"
    ARCHIVE_ENCRYPTED = "ARCHIVE_ENCRYPTED"
    ARCHIVE_DAMAGED = "ARCHIVE_DAMAGED"
    ARCHIVE_TOO_LARGE = "ARCHIVE_TOO_LARGE"
    DICOMDIR_FILE_MISSING = "DICOMDIR_FILE_MISSING"
    INSTANCE_NOT_DELIVERED = "INSTANCE_NOT_DELIVERED"
    BURNED_IN_TEXT = "BURNED_IN_TEXT"
    NOT_KEPT_IN_COPY = "NOT_KEPT_IN_COPY"
    # header
    MODALITY_CONFLICT = "MODALITY_CONFLICT"
    SERIES_UID_MISSING = "SERIES_UID_MISSING"
    LOCALIZER = "LOCALIZER"
    SECONDARY_CAPTURE = "SECONDARY_CAPTURE"
    DERIVED_IMAGE = "DERIVED_IMAGE"
    VIRTUAL_NON_CONTRAST = "VIRTUAL_NON_CONTRAST"
    MONOENERGETIC = "MONOENERGETIC"
    TIN_FILTERED = "TIN_FILTERED"
    PHOTON_COUNTING = "PHOTON_COUNTING"
    PHANTOM = "PHANTOM"
    KVP_MISSING = "KVP_MISSING"
    KVP_OUT_OF_RANGE = "KVP_OUT_OF_RANGE"
    KERNEL_UNVALIDATED = "KERNEL_UNVALIDATED"
    VENDOR_UNKNOWN = "VENDOR_UNKNOWN"
    VENDOR_UNVALIDATED = "VENDOR_UNVALIDATED"
    PATIENT_ID_MISSING = "PATIENT_ID_MISSING"
    DUPLICATE_UID = "DUPLICATE_UID"
    MIXED_SERIES = "MIXED_SERIES"
    RESCALE_MISSING = "RESCALE_MISSING"
    LOSSY_COMPRESSION = "LOSSY_COMPRESSION"
    CONTRAST_BY_TAG = "CONTRAST_BY_TAG"
    STATED_CONTRADICTS_HEADER = "STATED_CONTRADICTS_HEADER"
    # geometry
    ORIENTATION_MISSING = "ORIENTATION_MISSING"
    GEOMETRY_INCONSISTENT = "GEOMETRY_INCONSISTENT"
    SLICE_MISSING = "SLICE_MISSING"
    SLICE_DUPLICATED = "SLICE_DUPLICATED"
    SPACING_WRONG = "SPACING_WRONG"
    SPACING_TOO_LARGE = "SPACING_TOO_LARGE"
    THICKNESS_UNVALIDATED = "THICKNESS_UNVALIDATED"
    PIXEL_SPACING_OUT_OF_RANGE = "PIXEL_SPACING_OUT_OF_RANGE"
    GANTRY_TILT = "GANTRY_TILT"
    TOO_FEW_SLICES = "TOO_FEW_SLICES"
    # words
    CONTRAST_BY_WORDS = "CONTRAST_BY_WORDS"
    # image
    CONTRAST_BY_IMAGE = "CONTRAST_BY_IMAGE"
    HU_IMPLAUSIBLE = "HU_IMPLAUSIBLE"
    METAL_IN_VERTEBRA = "METAL_IN_VERTEBRA"
    VERTEBRA_FRACTURED = "VERTEBRA_FRACTURED"
    HEIGHTS_NOT_READ = "HEIGHTS_NOT_READ"
    SCOLIOSIS = "SCOLIOSIS"
    # levels
    LEVELS_MISSING = "LEVELS_MISSING"
    LEVELS_UNREADABLE = "LEVELS_UNREADABLE"
    LEVELS_AMBIGUOUS = "LEVELS_AMBIGUOUS"
    LEVELS_OTHER_FRAME = "LEVELS_OTHER_FRAME"
    LEVELS_CONTOUR_INVALID = "LEVELS_CONTOUR_INVALID"
    LEVELS_COUNT_UNUSUAL = "LEVELS_COUNT_UNUSUAL"
    LEVELS_RIBS_UNUSUAL = "LEVELS_RIBS_UNUSUAL"
    LEVELS_NOT_IN_VIEW = "LEVELS_NOT_IN_VIEW"
    VERTEBRA_CUT = "VERTEBRA_CUT"
    LEVELS_TOO_FEW = "LEVELS_TOO_FEW"
    # tables (DXA and pairing)
    DXA_MISSING = "DXA_MISSING"
    CT_MISSING = "CT_MISSING"
    DXA_VALUE_MISSING = "DXA_VALUE_MISSING"
    DXA_VALUE_NOT_NUMERIC = "DXA_VALUE_NOT_NUMERIC"
    DXA_LEVEL_INVALID = "DXA_LEVEL_INVALID"
    DXA_OUT_OF_RANGE = "DXA_OUT_OF_RANGE"
    DXA_UNUSUAL = "DXA_UNUSUAL"
    DXA_DEVICE_UNKNOWN = "DXA_DEVICE_UNKNOWN"
    DXA_DATE_FAR = "DXA_DATE_FAR"
    DXA_DATE_INVALID = "DXA_DATE_INVALID"
    DXA_DUPLICATED = "DXA_DUPLICATED"
    SEX_MISMATCH = "SEX_MISMATCH"
    DXA_VALUE_INVALID = "DXA_VALUE_INVALID"
    PATIENT_DOUBLED = "PATIENT_DOUBLED"
    SERIES_NOT_CHOSEN = "SERIES_NOT_CHOSEN"
    SERIES_EXCLUDED = "SERIES_EXCLUDED"
    EXAM_NOT_CHOSEN = "EXAM_NOT_CHOSEN"
    # patient
    AGE_UNDER_30 = "AGE_UNDER_30"


MEANINGS: dict[Code, Meaning] = {
    Code.NOT_DICOM: Meaning(Basis.FILE, "the file is not DICOM", "send DICOM files only"),
    Code.FILE_TRUNCATED: Meaning(Basis.FILE, "the file ends before its data does", "send the file again"),
    Code.NOT_CT: Meaning(
        Basis.FILE, "a DICOM object of another kind than CT image", "none; it is listed and left"
    ),
    Code.PIXELS_UNREADABLE: Meaning(
        Basis.FILE,
        "the pixel data cannot be decoded",
        "send the series again, whole, uncompressed or losslessly compressed",
    ),
    Code.EMPTY_INPUT: Meaning(Basis.FILE, "there is no file to read", "name a folder that holds a CT series"),
    Code.FILE_UNREADABLE: Meaning(
        Basis.FILE, "the file cannot be opened", "make the file readable for this user"
    ),
    Code.FILE_COPY: Meaning(
        Basis.FILE,
        "a byte-identical copy of a file already in the series",
        "none; the copy is listed and left",
    ),
    Code.ENHANCED_MULTIFRAME: Meaning(
        Basis.FILE,
        "a multi-frame CT object whose frames are not one stack (time points, mixed types, missing groups)",
        "send one time point and one type of image per object, or single-frame CT images",
    ),
    Code.SIZE_IMPLAUSIBLE: Meaning(
        Basis.FILE,
        "rows and columns, or what the file unpacks to, are beyond any CT image",
        "send the series again from its source; look where the file came from",
    ),
    Code.PATH_UNSAFE: Meaning(
        Basis.FILE,
        "a name that leaves its archive or folder, or a link or device in an archive",
        "pack or list plain files under relative names",
    ),
    Code.ARCHIVE_NOT_OPENED: Meaning(
        Basis.FILE,
        "an archive inside what was sent, or of a kind that is not opened",
        "name it as the source itself; pack as zip or tar (gz, bz2, xz)",
    ),
    Code.ARCHIVE_ENCRYPTED: Meaning(
        Basis.FILE, "an archive member is encrypted", "pack without a password, or unpack it first"
    ),
    Code.ARCHIVE_DAMAGED: Meaning(
        Basis.FILE, "an archive or one of its members cannot be read to its end", "send the archive again"
    ),
    Code.ARCHIVE_TOO_LARGE: Meaning(
        Basis.FILE,
        "an archive unpacks to more than ingest.archive allows",
        "unpack it by hand if it is what it should be, or raise the limit",
    ),
    Code.DICOMDIR_FILE_MISSING: Meaning(
        Basis.FILE, "a DICOMDIR lists a file that is not there", "send the whole medium"
    ),
    Code.INSTANCE_NOT_DELIVERED: Meaning(
        Basis.FILE, "the DICOMweb server lists an instance and does not deliver it", "ask for it again"
    ),
    Code.BURNED_IN_TEXT: Meaning(
        Basis.HEADER,
        "text or graphics stand in the pixels (BurnedInAnnotation YES, or an overlay inside the pixel words)",
        "send the original series without annotations",
    ),
    Code.NOT_KEPT_IN_COPY: Meaning(
        Basis.FILE,
        "a file of a cohort that no de-identified copy holds (not an image, table or level file of the layout)",
        "none; it stays where it is and is not copied",
    ),
    Code.SERIES_UID_MISSING: Meaning(
        Basis.HEADER, "SeriesInstanceUID is empty", "declare SeriesInstanceUID (0020,000E)"
    ),
    Code.MODALITY_CONFLICT: Meaning(
        Basis.HEADER, "Modality is not CT although the object is a CT image", "correct Modality (0008,0060)"
    ),
    Code.LOCALIZER: Meaning(Basis.HEADER, "a localizer (scout) image", "send the axial series"),
    Code.SECONDARY_CAPTURE: Meaning(
        Basis.HEADER,
        "a secondary capture, or a windowed picture (8 bits, colour, nothing darker than water), not HU",
        "send the original series",
    ),
    Code.DERIVED_IMAGE: Meaning(
        Basis.HEADER,
        "a derived image (reformat, map, MIP) whose values may not be HU",
        "send the original axial series",
    ),
    Code.VIRTUAL_NON_CONTRAST: Meaning(
        Basis.HEADER,
        "virtual non-contrast: calcium is removed with iodine",
        "send a true non-contrast series",
    ),
    Code.MONOENERGETIC: Meaning(
        Basis.HEADER,
        "virtual monoenergetic image: HU of bone follow the chosen keV",
        "send the conventional series",
    ),
    Code.TIN_FILTERED: Meaning(
        Basis.HEADER,
        "a tin-filtered beam: harder than the tube voltage says, so bone has fewer HU",
        "send a series without tin filter",
    ),
    Code.PHOTON_COUNTING: Meaning(
        Basis.HEADER,
        "a photon-counting detector, on which HU and texture of bone were never validated",
        "send a series of an energy-integrating scanner",
    ),
    Code.PHANTOM: Meaning(Basis.HEADER, "a test phantom, not a patient", "send a patient's series"),
    Code.KVP_MISSING: Meaning(
        Basis.HEADER,
        "tube voltage is not declared",
        "send the series as the scanner wrote it, with KVP (0018,0060); of NIfTI state --kvp",
    ),
    Code.KVP_OUT_OF_RANGE: Meaning(
        Basis.HEADER, "tube voltage outside the validated range", "send a series inside validate.kvp_*"
    ),
    Code.KERNEL_UNVALIDATED: Meaning(
        Basis.HEADER,
        "the reconstruction kernel's sharpness is not known; a warning",
        "none; the answer is marked as outside validated input",
    ),
    Code.VENDOR_UNKNOWN: Meaning(
        Basis.HEADER,
        "Manufacturer is missing or names no known vendor",
        "send Manufacturer (0008,0070) as the scanner wrote it; a maker that is missing: validate.vendors_known",
    ),
    Code.VENDOR_UNVALIDATED: Meaning(
        Basis.HEADER,
        "a vendor the model was not validated on",
        "validate the vendor first; the patient is flagged",
    ),
    Code.PATIENT_ID_MISSING: Meaning(Basis.HEADER, "PatientID is empty", "declare PatientID (0010,0020)"),
    Code.DUPLICATE_UID: Meaning(
        Basis.HEADER, "one SOPInstanceUID carries two different images", "send the series with unique UIDs"
    ),
    Code.MIXED_SERIES: Meaning(
        Basis.HEADER,
        "slices of different patients, studies, frames of reference, kVp or kernels under one SeriesInstanceUID",
        "send the series apart",
    ),
    Code.RESCALE_MISSING: Meaning(
        Basis.HEADER,
        "RescaleSlope or RescaleIntercept is missing or no number, or RescaleType names another unit than HU",
        "send the scanner's own series, with RescaleSlope and RescaleIntercept to HU",
    ),
    Code.LOSSY_COMPRESSION: Meaning(
        Basis.HEADER,
        "compressed with loss, once or now (LossyImageCompression, or a syntax that allows it)",
        "send the original; where nothing was lost, declare LossyImageCompression (0028,2110) as 00",
    ),
    Code.CONTRAST_BY_TAG: Meaning(
        Basis.HEADER, "contrast agent declared by ContrastBolusAgent", "send the non-contrast series"
    ),
    Code.STATED_CONTRADICTS_HEADER: Meaning(
        Basis.HEADER, "what was stated contradicts what the header declares", "correct the one that is wrong"
    ),
    Code.ORIENTATION_MISSING: Meaning(
        Basis.GEOMETRY, "image orientation or position is missing", "send a series with both"
    ),
    Code.GEOMETRY_INCONSISTENT: Meaning(
        Basis.GEOMETRY,
        "slices differ in orientation, matrix or pixel spacing",
        "send one reconstruction: one orientation, matrix and pixel size, slices evenly spaced",
    ),
    Code.SLICE_MISSING: Meaning(
        Basis.GEOMETRY, "a slice is missing inside the series", "send the whole series"
    ),
    Code.SLICE_DUPLICATED: Meaning(Basis.GEOMETRY, "two slices at one position", "send each slice once"),
    Code.SPACING_WRONG: Meaning(
        Basis.GEOMETRY,
        "declared slice spacing contradicts slice positions",
        "correct the spacing or the positions",
    ),
    Code.SPACING_TOO_LARGE: Meaning(
        Basis.GEOMETRY, "slices are farther apart than validated", "send a thinner reconstruction"
    ),
    Code.THICKNESS_UNVALIDATED: Meaning(
        Basis.HEADER,
        "slices thinner or thicker than the model was validated on; a warning",
        "none; the answer is marked as outside validated input",
    ),
    Code.PIXEL_SPACING_OUT_OF_RANGE: Meaning(
        Basis.GEOMETRY,
        "pixel spacing outside the validated range",
        "reconstruct with a smaller field of view",
    ),
    Code.GANTRY_TILT: Meaning(
        Basis.GEOMETRY, "gantry tilt or oblique stack", "send an untilted series, or see validate.tilt_policy"
    ),
    Code.TOO_FEW_SLICES: Meaning(Basis.GEOMETRY, "too few slices to hold L1-L4", "send the whole series"),
    Code.CONTRAST_BY_WORDS: Meaning(
        Basis.WORDS,
        "a description says that contrast was given",
        "send the non-contrast series; where the words are wrong, correct the description",
    ),
    Code.CONTRAST_BY_IMAGE: Meaning(
        Basis.IMAGE,
        "the aortic lumen is enhanced although nothing declares contrast",
        "send the non-contrast series",
    ),
    Code.HU_IMPLAUSIBLE: Meaning(
        Basis.IMAGE,
        "values are not HU of a patient (air, fat or soft tissue not where it must be)",
        "send an original CT series",
    ),
    Code.METAL_IN_VERTEBRA: Meaning(
        Basis.IMAGE,
        "metal or cement in a vertebra to be measured",
        "none; the level is left out; where too few are left, measure by DXA at the hip",
    ),
    Code.VERTEBRA_FRACTURED: Meaning(
        Basis.IMAGE,
        "a vertebral body that lost height, as a fractured one has",
        "the level is left out; have it read: a vertebral fracture calls for treatment whatever the density",
    ),
    Code.HEIGHTS_NOT_READ: Meaning(
        Basis.IMAGE,
        "the endplates of a vertebra are not seen, or the images end there, so no fracture was looked for in it",
        "none, the level is used; a reader must look whether it is fractured",
    ),
    Code.SCOLIOSIS: Meaning(
        Basis.IMAGE,
        "the lumbar spine curves strongly to the side, so its vertebrae are cut aslant",
        "measure by DXA at the hip",
    ),
    Code.LEVELS_MISSING: Meaning(
        Basis.LEVELS,
        "where L1-L4 are is not given",
        "give a DICOM SEG or RTSTRUCT, a label map or a table of centres (predict: --levels; a cohort: its levels/ "
        "folder), or turn on segment.engine",
    ),
    Code.LEVELS_UNREADABLE: Meaning(
        Basis.LEVELS,
        "the level file cannot be read or its scheme is not named",
        "see docs/own-cohort.md; name --level-scheme",
    ),
    Code.LEVELS_AMBIGUOUS: Meaning(
        Basis.LEVELS, "levels contradict one another (order, spacing, doubles)", "correct the level file"
    ),
    Code.LEVELS_OTHER_FRAME: Meaning(
        Basis.LEVELS,
        "the levels were drawn in another frame of reference than that of the images",
        "give levels drawn on this series",
    ),
    Code.LEVELS_CONTOUR_INVALID: Meaning(
        Basis.LEVELS,
        "a contour of a vertebra is open, not planar, broken, or the only one",
        "close the contours and draw each vertebra on several parallel slices",
    ),
    Code.LEVELS_COUNT_UNUSUAL: Meaning(
        Basis.LEVELS,
        "the labels show another number than five lumbar or twelve thoracic vertebrae (L6, T13, no L5)",
        "check that L1-L4 of the CT are L1-L4 of the DXA report; see prepare.levels.unusual_numbering",
    ),
    Code.LEVELS_RIBS_UNUSUAL: Meaning(
        Basis.LEVELS,
        "T12 bears no rib, or the twelfth rib lies at another vertebra",
        "check the numbering of the levels; see prepare.levels.unusual_numbering",
    ),
    Code.VERTEBRA_CUT: Meaning(
        Basis.LEVELS, "the end of the images cuts the vertebral body", "send a series that covers L1-L4"
    ),
    Code.LEVELS_NOT_IN_VIEW: Meaning(
        Basis.LEVELS, "the named levels lie outside the images", "send a series that covers L1-L4"
    ),
    Code.LEVELS_TOO_FEW: Meaning(
        Basis.LEVELS, "fewer than two evaluable levels of L1-L4", "send a series that covers L1-L4"
    ),
    Code.DXA_MISSING: Meaning(Basis.TABLE, "a CT without a DXA exam", "add the exam to the DXA table"),
    Code.CT_MISSING: Meaning(Basis.TABLE, "a DXA exam without an accepted CT", "add the CT series"),
    Code.DXA_VALUE_MISSING: Meaning(
        Basis.TABLE, "a required DXA value is empty", "fill it or leave the exam out"
    ),
    Code.DXA_LEVEL_INVALID: Meaning(
        Basis.TABLE, "the DXA table marks the level as not evaluable", "none; the other levels are used"
    ),
    Code.DXA_VALUE_NOT_NUMERIC: Meaning(
        Basis.TABLE,
        "a DXA value is not a number",
        "write a number with a decimal point, or leave it empty and flag the level invalid",
    ),
    Code.DXA_OUT_OF_RANGE: Meaning(
        Basis.TABLE,
        "a DXA value outside its plausible range",
        "check value and unit (g/cm2)",
    ),
    Code.DXA_UNUSUAL: Meaning(
        Basis.TABLE,
        "a DXA value that hardly anybody of a population has (NHANES); a warning",
        "compare it with the report; nothing is held back",
    ),
    Code.DXA_DEVICE_UNKNOWN: Meaning(
        Basis.TABLE, "no published conversion for this DXA device", "name Hologic or GE Lunar"
    ),
    Code.DXA_DATE_FAR: Meaning(Basis.TABLE, "CT and DXA too many days apart", "pair a DXA nearer in time"),
    Code.DXA_DATE_INVALID: Meaning(
        Basis.TABLE, "a date is missing or not YYYY-MM-DD", "write it as YYYY-MM-DD"
    ),
    Code.DXA_DUPLICATED: Meaning(Basis.TABLE, "two exams of one patient on one date", "keep one"),
    Code.SEX_MISMATCH: Meaning(
        Basis.TABLE, "sex differs between CT header and DXA table", "correct one of them"
    ),
    Code.DXA_VALUE_INVALID: Meaning(
        Basis.TABLE,
        "a DXA entry is none of the accepted ones (sex F or M, flags 0 or 1)",
        "correct the entry",
    ),
    Code.PATIENT_DOUBLED: Meaning(
        Basis.TABLE,
        "one study, series or exam under two patient ids, or a patient with two rows",
        "find out whose it is, and send it under one PatientID",
    ),
    Code.SERIES_NOT_CHOSEN: Meaning(
        Basis.TABLE,
        "another series of the same patient suits better (soft kernel, thin slices)",
        "none; it is listed and left",
    ),
    Code.SERIES_EXCLUDED: Meaning(
        Basis.HEADER,
        "a rule of validate.series_choice.exclude leaves this kind of series out (lung kernel, thick slices)",
        "send a soft-kernel reconstruction of thinner slices",
    ),
    Code.EXAM_NOT_CHOSEN: Meaning(
        Basis.TABLE, "another exam of the same patient is nearer to the CT", "none; it is listed and left"
    ),
    Code.AGE_UNDER_30: Meaning(Basis.TABLE, "patient under 30 years: no reference", "not for this patient"),
}


# What would speak against measuring a vertebra but no rule looks for; said wherever results are shown.
NOT_LOOKED_FOR: dict[str, str] = {
    "focal bone lesion": "metastasis, haemangioma or bone island in a vertebra: no rule is honest enough; a "
    "reader must look",
}


@dataclass(frozen=True)
class Refusal:
    """One coded reason with its finding.

    Attributes
    ----------
    code
        From `Code`.
    found
        What was found and where, with no patient identifier in it.
    """

    code: Code
    found: str

    def line(self) -> str:
        """One line for people: code, finding, what to do."""
        return f"{self.code}: {self.found}; {MEANINGS[self.code].action}"


class RefusedError(InputError):
    """Input refused with at least one coded reason (exit code 3)."""

    def __init__(self, *refusals: Refusal) -> None:
        self.refusals = refusals
        super().__init__("\n".join(refusal.line() for refusal in refusals))

    @property
    def codes(self) -> tuple[Code, ...]:
        """The codes, in order."""
        return tuple(refusal.code for refusal in self.refusals)


def refuse(code: Code, found: str) -> RefusedError:
    """Shorthand: one refusal as an exception to raise."""
    return RefusedError(Refusal(code, found))
