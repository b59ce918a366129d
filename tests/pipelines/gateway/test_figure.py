"""The figure shows what was measured: anterior left, head up, boxes on the bodies."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.gateway.figure import FigureError, crop_corners_lps_mm, write_figure
from pipelines.gateway.preparation import PreparedStudy
from pipelines.gateway.settings import GatewayParams
from tests.pipelines.gateway.synthetic_study import Site


def test_corners_by_hand(prepared: PreparedStudy) -> None:
    level = prepared.levels[1]  # L2 at (0, 10, 18), upright; crops of 64 mm centred 6 mm behind
    corners = crop_corners_lps_mm(level, prepared.geometry)
    np.testing.assert_allclose(corners[0], [0, -16, 50], atol=1e-6)
    np.testing.assert_allclose(corners[2], [0, 48, -14], atol=1e-6)


def test_boxes_are_drawn_where_the_bodies_are(
    prepared: PreparedStudy, params: GatewayParams, tmp_path: Path
) -> None:
    write_figure(prepared, tmp_path / "figure.png")
    picture = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")).astype(int)
    # 3 pixels a mm; y 10 lies 90 mm behind the left edge, z 54 lies 70 mm below the top; 34 rows of title
    column, row = 90 * 3, 70 * 3 + 34
    body = picture[row + 15, column + 15]
    behind = picture[row + 15, column + 25 * 3]
    assert body.mean() - behind.mean() == pytest.approx(100 / 600 * 255, abs=15)  # 150 against 50 HU
    assert tuple(picture[row, column]) == (255, 176, 0)  # the cross of L1 at its centre
    assert tuple(picture[row - 32 * 3, column + 10]) == (255, 176, 0)  # the upper edge of its box
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_a_refused_study_is_drawn_as_well(
    site: Site, prepare: Callable[..., PreparedStudy], tmp_path: Path
) -> None:
    study = prepare(site.folder)
    assert study.refusals
    write_figure(study, tmp_path / "figure.png")
    assert Image.open(tmp_path / "figure.png").size[0] > 300


def test_nothing_to_draw_and_no_room_are_one_line(prepared: PreparedStudy, tmp_path: Path) -> None:
    blank = replace(prepared, study=replace(prepared.study, volume=None))
    with pytest.raises(FigureError, match="could not be read"):
        write_figure(blank, tmp_path / "figure.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(FigureError, match="not written"):
        write_figure(prepared, tmp_path / "file" / "figure.png")


def test_what_is_no_regular_file_is_never_replaced(prepared: PreparedStudy, tmp_path: Path) -> None:
    pipe = tmp_path / "figure.png"
    os.mkfifo(pipe)
    with pytest.raises(FigureError, match="not a regular file"):
        write_figure(prepared, pipe)
    assert pipe.is_fifo()
