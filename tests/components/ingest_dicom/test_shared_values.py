"""What headers say alike is held once, and nothing that they say changes."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

from components.ingest_dicom.headers import Header
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.shared_values import SharedValues
from tests.dicom_factory import make_series


def headers(folder: Path, **changes: object) -> list[Header]:
    read = [read_header(path) for path in make_series(folder, slices=3, **changes)]
    return [item for item in read if isinstance(item, Header)]


def test_shared_headers_say_what_they_said(tmp_path: Path) -> None:
    per_slice = {1: {"KVP": None, "ConvolutionKernel": "B60s"}, 2: {"SliceThickness": "-0.0"}}
    given = headers(tmp_path, per_slice=per_slice)
    assert len(given) == 3
    given.append(replace(given[0], frames=(copy.copy(given[0]), given[1]), kvp=0.0, gantry_tilt_deg=-0.0))
    said = [repr(header) for header in given]
    shared = SharedValues()
    for header in given:
        assert shared.share(header, header.path) is header
    assert [repr(header) for header in given] == said
    assert math.copysign(1.0, given[3].gantry_tilt_deg) == -1.0


def test_slices_of_a_series_hold_one_object_for_each_value(tmp_path: Path) -> None:
    shared = SharedValues()
    first, second, third = [shared.share(header, header.path) for header in headers(tmp_path)]
    for name in ("study_instance_uid", "image_type", "kvp", "orientation", "pixel_spacing_mm", "kernel"):
        one = getattr(first, name)
        assert getattr(second, name) is one, name
        assert getattr(third, name) is one, name
    assert first.position_mm != second.position_mm
    assert first.sop_instance_uid != second.sop_instance_uid
