"""The mid-sagittal slice with the crops drawn where they were taken: anterior left, head up."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import crop_centre_lps_mm, sample_hu
from components.prepare_vertebrae.levels import VertebraLevel
from models.crop_store import CropGeometry
from models.errors import OsteoGateError
from pipelines.gateway.preparation import PreparedStudy

PIXELS_PER_MM = 3.0
MARGIN_MM = 70.0  # above and below the outermost centres
FRONT_MM, BACK_MM = 90.0, 90.0
WINDOW_HU = (-160.0, 440.0)
BOX_COLOURS = {"L1": "#ffb000", "L2": "#40c4ff", "L3": "#8bd450", "L4": "#ff7ab8"}
TILE_GAP = 12
TITLE_ROWS = 34


class FigureError(OsteoGateError):
    """The figure could not be written."""


def write_figure(prepared: PreparedStudy, path: Path) -> None:
    """Draw a prepared study as PNG, whether or not it will be answered.

    Left: the sagittal surface through the body centres (it follows the spine from side to side, so every box
    lies in it) with the outline and name of each crop. Right: the middle slice of each crop as the model gets it.

    Raises
    ------
    FigureError
        When there are no voxels to draw, or the file cannot be written.
    """
    if prepared.study.volume is None:
        raise FigureError(f"{path}: no figure; the images could not be read")
    if path.exists() and not path.is_file():  # replacing a device would remove it
        raise FigureError(f"{path}: figure not written (not a regular file)")
    picture = _picture(prepared, prepared.study.volume)
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(beside, format="PNG")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise FigureError(f"{path}: figure not written ({error.strerror or error})") from error


def _picture(prepared: PreparedStudy, volume: Volume) -> Image.Image:
    centres = np.array([level.centre_lps_mm for level in prepared.levels])
    if len(centres) == 0:
        centres = volume.index_to_lps((np.array(volume.shape) - 1) / 2)[None]
    top, bottom = centres[:, 2].max() + MARGIN_MM, centres[:, 2].min() - MARGIN_MM
    front, back = centres[:, 1].min() - FRONT_MM, centres[:, 1].max() + BACK_MM
    step = 1 / PIXELS_PER_MM
    z = np.arange(top, bottom, -step)
    y = np.arange(front, back, step)
    order = np.argsort(centres[:, 2])
    x = np.interp(z, centres[order, 2], centres[order, 0])
    points = np.stack(np.broadcast_arrays(x[:, None], y[None, :], z[:, None]), axis=-1)
    index = volume.lps_to_index(points)
    seen = np.all((index >= -0.5) & (index <= np.array(volume.shape) - 0.5), axis=-1)
    plane = Image.fromarray(np.where(seen, _grey(sample_hu(volume, points)), 0).astype(np.uint8)).convert(
        "RGB"
    )
    draw = ImageDraw.Draw(plane)
    font = ImageFont.load_default(size=20)
    taken = {crop.level.name for crop in prepared.crops}
    for level in prepared.levels:
        corners = crop_corners_lps_mm(level, prepared.geometry)
        outline = [
            ((corner[1] - front) * PIXELS_PER_MM, (top - corner[2]) * PIXELS_PER_MM) for corner in corners
        ]
        colour = BOX_COLOURS[level.name]
        draw.line([*outline, outline[0]], fill=colour, width=3 if level.name in taken else 1)
        middle = ((outline[0][0] + outline[3][0]) / 2, (outline[0][1] + outline[3][1]) / 2)
        label = level.name if level.name in taken else f"{level.name} not used"
        draw.text((middle[0] - 8, middle[1]), label, fill=colour, font=font, anchor="rm")
        body = (
            (level.centre_lps_mm[1] - front) * PIXELS_PER_MM,
            (top - level.centre_lps_mm[2]) * PIXELS_PER_MM,
        )
        draw.line([body[0] - 6, body[1], body[0] + 6, body[1]], fill=colour, width=2)
        draw.line([body[0], body[1] - 6, body[0], body[1] + 6], fill=colour, width=2)
    _mark_directions(draw, plane.size, font)
    return _beside_crops(plane, prepared, font)


def crop_corners_lps_mm(level: VertebraLevel, geometry: CropGeometry) -> NDArray[np.float64]:
    """Corners (4, 3) LPS mm of the crop's outline: front top, back top, back bottom, front bottom."""
    half_mm = geometry.size_mm / 2
    centre = crop_centre_lps_mm(level, geometry.centre_shift_mm)
    _, back, cranial = level.axes
    signs = ((-1, 1), (1, 1), (1, -1), (-1, -1))
    return np.array([centre + half_mm * (a * back + b * cranial) for a, b in signs])


def _grey(hu: NDArray[np.floating]) -> NDArray[np.floating]:
    low, high = WINDOW_HU
    return np.clip((hu - low) / (high - low), 0, 1) * 255


def _mark_directions(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    width, height = size
    for text, place, anchor in (
        ("A", (8, height / 2), "lm"),
        ("P", (width - 8, height / 2), "rm"),
        ("H", (width / 2, 6), "mt"),
        ("F", (width / 2, height - 6), "mb"),
    ):
        draw.text(place, text, fill="white", font=font, anchor=anchor)


def _beside_crops(
    plane: Image.Image, prepared: PreparedStudy, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> Image.Image:
    count = max(1, len(prepared.levels))
    side = min(240, (plane.height - TILE_GAP * (count - 1)) // count)
    picture = Image.new("RGB", (plane.width + TILE_GAP + side, plane.height + TITLE_ROWS))
    picture.paste(plane, (0, TITLE_ROWS))
    draw = ImageDraw.Draw(picture)
    title = "sagittal, anterior left, head up; research use only"
    draw.text((8, 6), title, fill="white", font=font)
    for number, crop in enumerate(prepared.crops):
        tile = Image.fromarray(_grey(crop.hu[crop.hu.shape[0] // 2].astype(np.float32)).astype(np.uint8))
        place = (plane.width + TILE_GAP, TITLE_ROWS + number * (side + TILE_GAP))
        picture.paste(tile.resize((side, side)).convert("RGB"), place)
        name = crop.level.name
        edge = [place[0], place[1], place[0] + side - 1, place[1] + side - 1]
        draw.rectangle(edge, outline=BOX_COLOURS[name], width=2)
        draw.text((place[0] + 6, place[1] + 4), name, fill=BOX_COLOURS[name], font=font)
    return picture
