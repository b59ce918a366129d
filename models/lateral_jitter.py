"""A level's centre found a little to the side: the neighbouring sagittal slices, where the store has them.

A vertebra's crops at several lateral offsets hold more slices than one crop shows. Where these lie on one even
grid (three crops of three slices 2 mm apart, 6 mm from one another), a crop one or two slices further left or
right can be put together from stored pixels: no interpolation, so the texture that TBS measures stays as it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.crop_store import CropGeometry

_SAME_PLACE_MM = 1e-3


class LateralJitter:
    """For each of N crops the row and channel of every slice, at each lateral step that the store allows.

    Parameters
    ----------
    index
        The N crops' index rows (columns series, level, lateral_offset_mm), labelled with row numbers of `hu`.
    reach_mm
        Steps of a slice spacing up to this, both directions; 0 leaves only the crop itself.

    Attributes
    ----------
    steps
        Largest number of slices to either side.
    """

    def __init__(self, index: pd.DataFrame, geometry: CropGeometry, reach_mm: float) -> None:
        spacing_mm = geometry.slice_spacing_mm
        self.steps = int(reach_mm / spacing_mm + 1e-6)
        offsets = np.arange(-self.steps, self.steps + 1)
        channels = np.arange(geometry.slices)
        count = len(index)
        # the crop itself, wherever nothing better is found
        self.rows = np.broadcast_to(
            index.index.to_numpy(dtype=np.int64)[:, None, None], (count, len(offsets), len(channels))
        ).copy()
        self.channels = np.broadcast_to(channels, self.rows.shape).copy()
        self.possible = np.zeros((count, len(offsets)), dtype=bool)
        self.possible[:, self.steps] = True
        if not self.steps or not count:
            return
        from_middle_mm = (channels - (geometry.slices - 1) / 2) * spacing_mm
        numbered = index.assign(_position=np.arange(count))
        for _, crops in numbered.groupby(["series", "level"], sort=False):
            held_mm = (crops["lateral_offset_mm"].to_numpy()[:, None] + from_middle_mm).reshape(-1)
            held_row = np.repeat(crops.index.to_numpy(), len(channels))
            held_channel = np.tile(channels, len(crops))
            for position, lateral_mm in zip(crops["_position"], crops["lateral_offset_mm"], strict=True):
                wanted_mm = lateral_mm + offsets[:, None] * spacing_mm + from_middle_mm
                apart_mm = np.abs(wanted_mm[:, :, None] - held_mm)
                nearest = apart_mm.argmin(axis=2)
                there = (apart_mm.min(axis=2) < _SAME_PLACE_MM).all(axis=1)
                there[self.steps] = False  # its own slices are its own
                self.possible[position] |= there
                self.rows[position, there] = held_row[nearest[there]]
                self.channels[position, there] = held_channel[nearest[there]]

    def draw(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """(N,) steps, each drawn evenly from those possible for its crop."""
        chance = np.where(self.possible, generator.random(self.possible.shape), -1.0)
        return chance.argmax(axis=1) - self.steps

    def sources(
        self, positions: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(M, C) rows and channels of the slices that crops at `positions`, moved by `steps`, are made of."""
        place = steps + self.steps
        return self.rows[positions, place], self.channels[positions, place]
