"""What lies in front of and beside the spine: bowel, kidneys, liver, spleen, great vessels with their plaque, gas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.attenuation import HuTable
from components.simulate_cohort.canvas import CANVAS_PIXEL_MM, Canvas
from components.simulate_cohort.patient import Patient

FloatArray = NDArray[np.float64]
GAS_HU = -900.0
PLAQUES = 12
BRANCHES = 14  # mesenteric and other small vessels
RIGHT, LEFT = -1.0, 1.0


@dataclass(frozen=True)
class Enhancement:
    """Iodine in the image: HU of the aortic lumen; veins and organs follow. None of it: `aorta_hu` is None."""

    aorta_hu: float | None = None


class Abdomen:
    """The organs of one patient; what is drawn here is drawn once, in a fixed order and number."""

    def __init__(
        self,
        patient: Patient,
        table: HuTable,
        enhancement: Enhancement,
        sizes: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        self._sizes = sizes
        self._fat = table.tissue_hu["adipose"]
        self._pockets = rng.random((4, 4))
        self._branches = rng.random((BRANCHES, 5))
        self._plaques = rng.random((PLAQUES, 5))
        grown = max(patient.age_years - c.PLAQUE_FROM_YEARS, 0.0) * c.PLAQUES_PER_YEAR
        self._plaque_count = int(min(grown * 2.0 * rng.random(), PLAQUES))
        self._mineral_hu = table.hu_per_mg_cc
        lumen = enhancement.aorta_hu
        blood = table.tissue_hu["blood"]
        self._aorta = blood if lumen is None else lumen
        self._cava = blood if lumen is None else 0.6 * lumen + 20.0
        self._kidney = c.ORGAN_HU["kidney"] if lumen is None else 0.65 * lumen
        self._liver = c.ORGAN_HU["liver"] + (0.0 if lumen is None else 0.25 * lumen)
        self._spleen = c.ORGAN_HU["spleen"] + (0.0 if lumen is None else 0.35 * lumen)
        self._vessel = (
            (9.0 + 0.04 * (patient.age_years - 60)) * sizes[7] * (1.1 if patient.sex == "M" else 1.0)
        )
        # visceral fat: more of it between the loops of heavy patients and of men
        self._loop_threshold = -0.15 + 0.02 * (patient.bmi - 25.0) + (0.10 if patient.sex == "M" else 0.0)

    def bowel(
        self,
        canvas: Canvas,
        patient: Patient,
        shift: tuple[float, float],
        muscle: FloatArray,
        loops: FloatArray,
    ) -> None:
        """Loops in visceral fat, in front of the retroperitoneum."""
        edge = 0.10 * CANVAS_PIXEL_MM
        share = np.clip((loops - self._loop_threshold) / edge + 0.5, 0.0, 1.0)
        content = self._fat + share * (c.ORGAN_HU["bowel"] + 5.0 * loops - self._fat)
        depth = 10.0 * (c.BODY_THICKNESS_CM[0] + c.BODY_THICKNESS_CM[1] * patient.bmi)
        layer = 10.0 + 1.6 * (patient.bmi - 18.0) * (1.25 if patient.sex == "F" else 0.9)
        middle = 86.0 * patient.size + 1.5 * (patient.bmi - 22.0) - depth / 2
        radii = (depth * 0.72 - layer - 16.0, depth / 2 - layer * 0.8 - 14.0)
        canvas.ellipse((shift[0], shift[1] + middle - 12.0), radii, content)
        # retroperitoneal fat
        front = -16.0
        canvas.ellipse((0.0, front), (64.0, 30.0), self._fat)

    def organs(self, canvas: Canvas, down: float, anterior: float) -> None:
        """Liver and spleen at the top, kidneys in their fat, colon with stool and gas at the flanks."""
        s = self._sizes
        liver = 1.0 - (max(down, 0.0) / (0.55 * s[8])) ** 2
        if liver > 0.02:
            canvas.ellipse((RIGHT * 100.0, -52.0), (62.0 * liver**0.5 * s[9], 78.0 * liver**0.5), self._liver)
        spleen = 1.0 - (max(down, 0.0) / 0.30) ** 2
        if spleen > 0.02:
            canvas.ellipse((LEFT * 104.0, -8.0), (30.0 * spleen**0.5, 46.0 * spleen**0.5), self._spleen)
        for side in (RIGHT, LEFT):
            middle = 0.30 if side == LEFT else 0.36  # the right kidney lies lower
            share = 1.0 - ((down - middle) / 0.30) ** 2
            if share > 0.05:
                across, deep = 25.0 * s[6] * share**0.5, 27.0 * s[5] * share**0.5
                place = (side * (61.0 * s[5] + 10.0 * down), 4.0)
                canvas.outlined(place, (across, deep), self._kidney, self._fat, 7.0)
                if share > 0.5:
                    canvas.ellipse((place[0] - side * 9.0, 2.0), (across * 0.40, deep * 0.33), self._fat)
            if 0.15 < down < 1.0:
                place = (side * 88.0 * s[10], -40.0)
                canvas.outlined(place, (19.0, 21.0 * s[11]), c.ORGAN_HU["stool"], c.ORGAN_HU["bowel"], 2.0)
                bubble = 0.5 + 0.5 * float(np.sin(23.0 * down + 9.0 * s[11] * side))
                if bubble > 0.3:
                    canvas.ellipse((place[0], -50.0), (14.0 * bubble, 8.0 * bubble), GAS_HU)

    def vessels(self, canvas: Canvas, down: float, anterior: float) -> None:
        """Aorta, its bifurcation at L4, the vena cava, and calcified plaque on the aortic wall."""
        s, r = self._sizes, self._vessel
        aorta = (7.0 + 3.0 * s[8], anterior - r - 3.0)
        if down < 0.80:
            canvas.ellipse(aorta, (r, r), self._aorta)
        else:
            apart = 8.0 + 45.0 * (down - 0.80)
            canvas.ellipse((apart, anterior - 9.0), (6.5, 6.5), self._aorta)
            canvas.ellipse((-apart + 2, anterior - 9.0), (6.0, 6.0), self._aorta)
        if down < 0.90:
            canvas.ellipse((-15.0, anterior - 9.0), (10.5 * s[9], 7.5), self._cava)
        for place, turn, long, thick, dense in self._plaques[: self._plaque_count]:
            if abs(down - 0.80 * place**0.7) > 0.02 + 0.06 * long or down > 0.80:
                continue
            angle = 2.0 * np.pi * turn
            spot = (aorta[0] + (r - 1.0) * float(np.cos(angle)), aorta[1] + (r - 1.0) * float(np.sin(angle)))
            mineral = c.PLAQUE_MG_CC[0] + dense * (c.PLAQUE_MG_CC[1] - c.PLAQUE_MG_CC[0])
            canvas.ellipse(
                spot, (1.4 + 2.0 * thick, 1.2 + 1.6 * thick), self._aorta + self._mineral_hu * mineral
            )

    def branches(self, canvas: Canvas, down: float, anterior: float) -> None:
        """Small vessels in the fat in front of the spine, wandering from plane to plane."""
        for across, deep, turn, pace, wide in self._branches:
            wander = 2.0 * np.pi * (turn + (0.5 + pace) * down)
            place = (
                110.0 * (across - 0.5) + 7.0 * float(np.sin(wander)),
                anterior - 22.0 - 55.0 * deep + 6.0 * float(np.cos(1.7 * wander)),
            )
            canvas.ellipse(place, (1.5 + 1.8 * wide, 1.3 + 1.6 * wide), self._cava)

    def gas(self, canvas: Canvas, down: float, anterior: float) -> None:
        """Gas in the loops in front."""
        for pocket in self._pockets:
            if abs(down - pocket[0]) < 0.07:
                place = (120 * (pocket[1] - 0.5), anterior - 50 - 40 * pocket[2])
                canvas.ellipse(place, (5 + 10 * pocket[3], 4 + 7 * pocket[3]), GAS_HU)
