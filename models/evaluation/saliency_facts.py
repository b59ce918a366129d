"""Section `saliency` of the report: does the model look at the vertebral body, in numbers."""

from __future__ import annotations

from pydantic import Field

from models.evaluation.metric import Metric
from models.params import Section

LEAST_RATIO = 3.0  # own choice of the project: below, an answer rests on more than the body
JUDGED = "average"
TARGET_NUMBERS = {"bmd": 0, "tbs": 1}


class Seen(Section):
    """The part of a crop that the network sees, a square about the body's centre.

    Attributes
    ----------
    side_mm, crop_mm
        Of the square and of the whole crop.
    body_area_share
        The body's, of the square.
    """

    side_mm: float = Field(gt=0)
    crop_mm: float = Field(gt=0)
    body_area_share: float

    @property
    def words(self) -> str:
        """For people."""
        if self.side_mm > self.crop_mm - 1e-6:
            return f"The network sees the whole crop ({self.crop_mm:.3g} mm)."
        return (
            f"Of a crop's {self.crop_mm:.3g} mm the network sees a square of {self.side_mm:.3g} mm about the body. "
            f"The body covers {100 * self.body_area_share:.0f} % of that square; surroundings outside it cannot "
            "move the answer."
        )


class SaliencyFacts(Section):
    """Occlusion and attribution on test patients.

    Attributes
    ----------
    body
        How the body's place in a crop was found, in words.
    body_area_share
        Of a crop's area.
    replacements
        Replacement -> what took the place of body or surroundings, in words.
    metrics
        '<target>.<replacement>': mean change of the answer when the body is replaced over that when everything else
        is; 'average' is the one that is judged.
    seen
        What the network sees of a crop; None in reports that were written before it was kept.
    least_ratio
        That the judged ratios shall reach.
    attributed_inside, integration_error
        Target -> of the crops shown, smallest share of the absolute attribution that lies inside the body, and largest
        relative error of the integrated gradients' sum.
    """

    body: str
    body_area_share: float
    replacements: dict[str, str]
    metrics: dict[str, Metric]
    seen: Seen | None = None
    least_ratio: float = Field(default=LEAST_RATIO, gt=1)
    attributed_inside: dict[str, float]
    integration_error: dict[str, float]

    @property
    def reached(self) -> dict[str, bool]:
        """Target -> whether the judged ratio reaches the least one."""
        return {
            target: (value := self.metrics[f"{target}.{JUDGED}"].value) is not None
            and value >= self.least_ratio
            for target in TARGET_NUMBERS
        }
