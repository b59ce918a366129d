"""Figure of integrated gradients over crops, with the vertebral body outlined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from models.body_region import body_mask
from models.crop_store import CropGeometry
from models.decision import Geometry
from models.evaluation.drawing import sheet
from models.saliency import Attribution

WINDOW_HU = (-150, 500)
ROWS = {"bmd_g_cm2": "BMD", "tbs": "TBS"}


def saliency_maps(attributions: Sequence[Attribution], geometry: Geometry | CropGeometry) -> Figure:
    """Crops in the first row; what BMD and TBS rest on below, each map on its own scale."""
    shape = CropGeometry(
        pixels=geometry.pixels,
        size_mm=geometry.size_mm,
        slices=geometry.slices,
        slice_spacing_mm=geometry.slice_spacing_mm,
        centre_shift_mm=geometry.centre_shift_mm,
    )
    outline = body_mask(shape).astype(float)
    figure = sheet(10, 7.6)
    grid = figure.subplots(1 + len(ROWS), len(attributions), squeeze=False)
    for column, item in enumerate(attributions):
        grid[0, column].set_title(f"{item.level}, {item.vendor}", fontsize=9.5)
        for row, name in enumerate((None, *ROWS)):
            axes = grid[row, column]
            axes.imshow(item.hu, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], interpolation="none")
            if name is not None:
                values = item.maps[name]
                limit = float(np.quantile(np.abs(values), 0.995)) or 1.0
                strength = np.clip(np.abs(values) / limit, 0, 1)
                axes.imshow(
                    values, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=strength, interpolation="none"
                )
                axes.set_xlabel(f"{item.inside[name]:.0%} inside the outline", fontsize=8)
            axes.contour(outline, levels=[0.5], colors="#E69F00", linewidths=1.1)
            axes.set(xticks=[], yticks=[])
    for row, title in enumerate(("crop", *ROWS.values())):
        grid[row, 0].set_ylabel(title)
    return figure
