"""Section `evaluate` of params.yaml."""

from __future__ import annotations

import itertools
from typing import Literal, Self

from pydantic import Field, model_validator

from models.evaluation.bootstrap import Resampling
from models.params import Section

FindingName = Literal["osteopenia", "osteoporosis", "impaired_tbs"]


class CutoffRule(Section):
    """How a cut-off is frozen on calibration patients.

    Attributes
    ----------
    method
        'youden': largest sensitivity + specificity - 1. 'sensitivity': the lowest cut-off that finds at least
        `sensitivity` of those with the finding.
    sensitivity
        Only with method 'sensitivity'.
    """

    method: Literal["youden", "sensitivity"]
    sensitivity: float | None = Field(default=None, gt=0.5, le=1.0)

    @model_validator(mode="after")
    def _target_given(self) -> Self:
        if (self.method == "sensitivity") != (self.sensitivity is not None):
            raise ValueError("'sensitivity' is given with method 'sensitivity' and only with it")
        return self


class SubgroupBands(Section):
    """How test patients are grouped.

    Attributes
    ----------
    minimum_patients
        Below it a group gets no metrics, only its number.
    age_years, bmi_kg_m2, slice_thickness_mm, kvp
        Where bands begin, ascending: [50, 65] makes 'under 50', '50 to under 65' and '65 and over'.
    """

    minimum_patients: int = Field(ge=4)
    age_years: tuple[float, ...]
    bmi_kg_m2: tuple[float, ...]
    slice_thickness_mm: tuple[float, ...]
    kvp: tuple[float, ...]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for name in ("age_years", "bmi_kg_m2", "slice_thickness_mm", "kvp"):
            edges = getattr(self, name)
            if any(low >= high for low, high in itertools.pairwise(edges)):
                raise ValueError(f"{name}: the beginnings of bands must ascend")
        return self


class EvaluateParams(Section):
    """Section `evaluate` of params.yaml.

    Attributes
    ----------
    confidence
        Of every interval in the report, two-sided.
    interval_coverage
        Of the prediction intervals that patients' answers carry.
    bootstrap_draws, bootstrap_seed
        See `models.evaluation.bootstrap`.
    minimum_levels
        Evaluable levels that a patient needs.
    minimum_class_patients
        Calibration patients needed with and without a finding; with fewer the published cut itself is used.
    subgroups
        See `SubgroupBands`.
    cutoffs
        One rule per finding.
    flag_on
        Findings that lead to a flag.
    """

    confidence: float = Field(ge=0.8, lt=1.0)
    interval_coverage: float = Field(ge=0.5, lt=1.0)
    bootstrap_draws: int = Field(ge=100, le=20000)
    bootstrap_seed: int = Field(ge=0)
    minimum_levels: int = Field(ge=2, le=4)
    minimum_class_patients: int = Field(ge=1)
    subgroups: SubgroupBands
    cutoffs: dict[FindingName, CutoffRule]
    flag_on: tuple[FindingName, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_finding(self) -> Self:
        lacking = {"osteopenia", "osteoporosis", "impaired_tbs"} - set(self.cutoffs)
        if lacking:
            raise ValueError(f"cutoffs lack {', '.join(sorted(lacking))}")
        return self

    @property
    def resampling(self) -> Resampling:
        """The bootstrap settings together."""
        return Resampling(draws=self.bootstrap_draws, seed=self.bootstrap_seed, confidence=self.confidence)
