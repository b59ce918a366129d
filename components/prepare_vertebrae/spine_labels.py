"""What a level file says of a spine, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.prepare_vertebrae.body_centre import Body, vertebral_body
from models.levels import LEVELS
from models.refusal import RefusedError

Centres = Mapping[str, NDArray[np.float64]]


def no_points() -> NDArray[np.float64]:
    """(0, 3)."""
    return np.empty((0, 3))


@dataclass(frozen=True, eq=False)
class SpineLabels:
    """Vertebrae, and ribs where the file has them.

    Attributes
    ----------
    centres
        (3,) LPS mm by name; L1..L4 and whatever neighbours are named (T1..T13, L5, L6, S1).
    bodies
        By name, where the file outlines the vertebra and does not only mark its centre.
    cut
        Why a body is not whole, by name, where the file by itself shows it.
    twelfth_ribs
        (M, 3) LPS mm voxel centres of the twelfth ribs; empty when none is outlined.
    ribs_outlined
        Whether the file outlines any rib: only then does a missing twelfth rib say something.
    """

    centres: Centres
    bodies: Mapping[str, Body] = field(default_factory=dict)
    cut: Mapping[str, str] = field(default_factory=dict)
    twelfth_ribs: NDArray[np.float64] = field(default_factory=no_points)
    ribs_outlined: bool = False


class BodyCollector:
    """Bodies of one file, mask by mask; a neighbour that cannot be placed is left out, it is not measured."""

    def __init__(self, source: str, *, mask_end_is_field_end: bool = False) -> None:
        """With `mask_end_is_field_end`, a mask's array ends where the images do (a label map's)."""
        self.source = source
        self.mask_end_is_field_end = mask_end_is_field_end
        self.centres: dict[str, NDArray[np.float64]] = {}
        self.bodies: dict[str, Body] = {}
        self.cut: dict[str, str] = {}

    def add(self, name: str, mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> None:
        """The vertebra `name` in a mask (A, B, C) with its (4, 4) affine to LPS mm; an empty mask is nobody's.

        Raises
        ------
        RefusedError
            LEVELS_AMBIGUOUS when a mask of L1-L4 falls into two pieces that the end of the images does not explain.
        """
        if not mask.any():
            return
        try:
            body = vertebral_body(mask, affine, name=name, source=self.source)
        except RefusedError:
            if self.mask_end_is_field_end and touches_end(mask):  # two processes of a vertebra beyond the end
                self.centres[name] = affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + affine[:3, 3]
                self.cut[name] = f"{name} reaches the end of the label map"
            elif name in LEVELS:
                raise
            return
        self.centres[name] = body.centre_lps_mm
        self.bodies[name] = body
        if self.mask_end_is_field_end and body.at_mask_end:
            self.cut[name] = f"{name} reaches the end of the label map"

    def labels(
        self, *, twelfth_ribs: NDArray[np.float64] | None = None, ribs_outlined: bool = False
    ) -> SpineLabels:
        """What was collected."""
        ribs = no_points() if twelfth_ribs is None else twelfth_ribs
        return SpineLabels(self.centres, self.bodies, self.cut, ribs, ribs_outlined)


def touches_end(mask: NDArray[np.bool_]) -> bool:
    """Whether the mask reaches the first or last plane, row or column of its array."""
    return any(mask.take(end, axis=axis).any() for axis in range(mask.ndim) for end in (0, -1))
