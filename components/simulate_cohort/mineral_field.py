"""The three-dimensional mineral field of one patient: the only thing the DXA and the CT have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.simulate_cohort.anatomy import Stack, Vertebra, build_stack
from components.simulate_cohort.findings import Findings, draw_findings
from components.simulate_cohort.mineral_box import MineralBox, inside, local_grid
from components.simulate_cohort.patient import STACK, Patient
from components.simulate_cohort.posterior_elements import build_posterior
from components.simulate_cohort.vertebral_body import build_body

MARGIN_MM = 6.0  # field beyond the imaged range, so that the outermost slices are whole
DISC_VOXEL_MM = 1.0


@dataclass(frozen=True)
class MineralField:
    """The stack and the boxes that make up its field (discs carry no mineral)."""

    patient: Patient
    stack: Stack
    boxes: tuple[MineralBox, ...]
    findings: Findings

    def of(self, part: str) -> tuple[MineralBox, ...]:
        """The boxes of one part: body, posterior or disc."""
        return tuple(box for box in self.boxes if box.part == part)


def _disc(vertebra: Vertebra, stack: Stack, z_range_mm: tuple[float, float]) -> MineralBox | None:
    """The disc below a vertebra: an elliptic cushion that reaches into the hollow endplates."""
    a, b, _ = vertebra.half_mm
    here = Vertebra(vertebra.name, stack.disc_centres_mm[vertebra.name], vertebra.axes, vertebra.half_mm, 1.0)
    lean = np.abs(vertebra.axes[2]) * 8.0 + np.abs(vertebra.axes[0]) * a + np.abs(vertebra.axes[1]) * b
    grid = local_grid(here, -lean, lean, DISC_VOXEL_MM, z_range_mm)
    if grid is None:
        return None
    p, q = grid.u / (0.98 * a), grid.v / (0.96 * b)
    depth = np.minimum((1.0 - np.sqrt(p * p + q * q)) * b, 8.0 - np.abs(grid.w))
    envelope = inside(depth, DISC_VOXEL_MM)
    zero = np.zeros_like(envelope)
    return MineralBox("disc", vertebra.name, grid.x_mm, grid.y_mm, grid.z_mm, DISC_VOXEL_MM, zero, envelope)


def build_field(patient: Patient, findings: Findings | None = None) -> MineralField:
    """Build the field of a patient; discs first, so that bone is drawn over them.

    `findings` are drawn from the patient unless given.
    """
    findings = draw_findings(patient) if findings is None else findings
    stack = build_stack(patient, findings)
    z_range = (stack.z_range_mm[0] - MARGIN_MM, stack.z_range_mm[1] + MARGIN_MM)
    discs = [_disc(stack.vertebrae[name], stack, z_range) for name in stack.disc_centres_mm]
    posterior = [build_posterior(patient, stack.vertebrae[name], z_range) for name in STACK]
    bodies = [build_body(patient, stack.vertebrae[name], z_range) for name in STACK]
    boxes = tuple(box for box in (*discs, *posterior, *bodies) if box is not None)
    return MineralField(patient, stack, boxes, findings)
