"""The real corpus as a table: for each series whether it is accepted, and if not with which codes.

What the program says today, looked over against the facts that the corpus' README and its SOURCE.txt files state (tilt,
contrast, slices, vendor, age): a change here is to be explained.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from pipelines.gateway.preparation import prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated

pytestmark = pytest.mark.real_ct
ROOT = Path(__file__).resolve().parents[2]
Real = Callable[[str], Path]

# A file of the series: (slices, codes; none is "accepted"). Only the archives of LEVELS name L1-L4 for a series.
LEVELS = ("ge_discovery_ls_lumbar",)
SERIES: dict[str, dict[str, tuple[int, str]]] = {
    "ge_discovery_ls_lumbar": {"1-100.dcm": (99, "")},
    "ge_lightspeed_dicom_seg": {
        "01.dcm": (3, "TOO_FEW_SLICES LEVELS_MISSING"),
        # a mask of 0 and 1 stored as legacy-converted CT: no KVP, and birth date equals study date
        "mf.dcm": (3, "KVP_MISSING TOO_FEW_SLICES LEVELS_MISSING AGE_UNDER_30"),
    },
    "ge_tilt_variable_spacing": {"01.dcm": (28, "GANTRY_TILT GEOMETRY_INCONSISTENT LEVELS_MISSING")},
    "header_zoo": {
        "ge_hispeed_chest_RLE.dcm": (4, "DUPLICATE_UID SLICE_DUPLICATED TOO_FEW_SLICES LEVELS_MISSING"),
        "ge_lightspeed_ultra_scout_tiny.dcm": (1, "LOCALIZER"),
        "ge_optimaCT520_lumbar_disc_tilt5p5.dcm": (
            1,
            "GANTRY_TILT PIXEL_SPACING_OUT_OF_RANGE AGE_UNDER_30 TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "ge_rhapsode_contrast_J2KI.dcm": (
            6,
            "DERIVED_IMAGE LOSSY_COMPRESSION SLICE_DUPLICATED CONTRAST_BY_TAG TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "hitachi_supria_tilt22_j2k_pixelrep_mismatch.dcm": (
            1,
            "VENDOR_UNKNOWN GANTRY_TILT TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "nih_pancreas_0001_flipped_j2k.dcm": (1, "KVP_MISSING VENDOR_UNKNOWN TOO_FEW_SLICES LEVELS_MISSING"),
        "rt_planning_ct_130kV_intercept0.dcm": (
            1,
            "VENDOR_UNKNOWN VENDOR_UNVALIDATED TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "siemens_emotion16_kits00072_arterial_1.dcm": (
            3,
            "CONTRAST_BY_TAG CONTRAST_BY_WORDS TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "siemens_sensation64_stageII_venous_1.dcm": (2, "CONTRAST_BY_WORDS TOO_FEW_SLICES LEVELS_MISSING"),
        "toshiba_aquilionONE_header_1.dcm": (
            1,
            "CONTRAST_BY_TAG CONTRAST_BY_WORDS TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "toshiba_aquilionONE_header_2.dcm": (
            2,
            "CONTRAST_BY_TAG CONTRAST_BY_WORDS TOO_FEW_SLICES LEVELS_MISSING",
        ),
        "toshiba_xpress_gx_J2KI.dcm": (
            5,
            "DERIVED_IMAGE LOSSY_COMPRESSION SLICE_DUPLICATED TOO_FEW_SLICES LEVELS_MISSING",
        ),
        # enhanced CT of the standard's own example: a perfusion map of the maker "Acme", two frames
        "enhanced_ct_multiframe_supp.dcm": (
            2,
            "DERIVED_IMAGE KVP_MISSING VENDOR_UNKNOWN VENDOR_UNVALIDATED SPACING_TOO_LARGE CONTRAST_BY_TAG "
            "TOO_FEW_SLICES LEVELS_MISSING",
        ),
    },
    "philips_tilt_scout_secondary_capture": {
        "localizer/I10": (1, "LOCALIZER"),
        # a phantom: its two materials lie where no patient's fat and soft tissue do
        "tilt_minus18p5/I10": (14, "GANTRY_TILT TOO_FEW_SLICES LEVELS_MISSING HU_IMPLAUSIBLE"),
    },
    "siemens_biograph_j2k_t11_t12": {
        "": (
            20,
            "SERIES_UID_MISSING CONTRAST_BY_TAG CONTRAST_BY_WORDS CONTRAST_BY_IMAGE TOO_FEW_SLICES LEVELS_MISSING",
        )
    },
}
# Files in no CT series, and why.
OTHERS: dict[str, dict[str, int]] = {
    "ge_discovery_ls_lumbar": {"NOT_DICOM": 2},
    "ge_lightspeed_dicom_seg": {"NOT_DICOM": 4, "NOT_CT": 1},
    "ge_tilt_variable_spacing": {"NOT_DICOM": 1},
    "header_zoo": {"NOT_DICOM": 1},
    "philips_tilt_scout_secondary_capture": {"NOT_DICOM": 1, "SECONDARY_CAPTURE": 1},
    "siemens_biograph_j2k_t11_t12": {"NOT_DICOM": 2},
}
# NIfTI volumes, which declare nothing, at a stated 120 kVp: (volume, label map, its scheme, codes).
NIFTI: dict[str, tuple[str, str | None, str | None, str]] = {
    "totalseg_ct_lumbar_labelled": ("example_ct.nii.gz", "totalseg.nii.gz", "totalseg", ""),
    # a crop around L3 with parts of L2 and L4
    "l3_crop_labelled": (
        "sub-ct_label-22_ct.nii.gz",
        "sub-ct_seg-vert_label-22_msk.nii.gz",
        "verse",
        "VERTEBRA_CUT",
    ),
    # its label map numbers the parts of one vertebra, so it names no level
    "verse_l2_calibrated": ("sub-verse004_0000_vertebra_21_im.nii.gz", None, None, "LEVELS_MISSING"),
}


@pytest.mark.parametrize("archive", SERIES)
def test_every_series_is_accepted_or_refused_as_the_table_says(real_data: Real, archive: str) -> None:
    params = load_section(ROOT / "params.yaml", "validate", ValidateParams)
    result = scan_folder(real_data(archive))
    assert Counter(other.code.value for other in result.others) == OTHERS[archive]
    table = dict(SERIES[archive])
    for series in result.series:
        paths = [path.as_posix() for path in series.paths]
        (name,) = (name for name in table if any(path.endswith(name) for path in paths))
        slices, codes = table.pop(name)
        row = inspect_series(
            series, Pseudonymiser(SIMULATED_KEY), IngestParams(), has_levels=archive in LEVELS
        )
        verdict = check_series(pd.DataFrame([dataclasses.asdict(row)]), params)
        assert len(series.slices) == slices, name
        assert sorted(refusal.code.value for refusal in verdict.refusals) == sorted(codes.split()), name
    assert table == {}
    files = sum(path.is_file() for path in real_data(archive).rglob("*"))
    assert result.file_count == files


@pytest.mark.parametrize("archive", NIFTI)
def test_every_nifti_volume_is_accepted_or_refused_as_the_table_says(real_data: Real, archive: str) -> None:
    name, labels, scheme, codes = NIFTI[archive]
    folder = real_data(archive)
    study = prepare_study(
        folder / name,
        Stated(kvp=120.0),
        GatewayParams.load(ROOT / "params.yaml"),
        Pseudonymiser(SIMULATED_KEY),
        level_file=folder / labels if labels else None,
        scheme=scheme,
    )
    assert sorted(refusal.code.value for refusal in study.refusals) == sorted(codes.split())
