"""Named policies of the gate: section `gate` of params.yaml."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from models.errors import ParameterError
from models.params import Section

CorrelationKey = Literal["bmd.pearson_r", "tbs.pearson_r"]
ComparedKey = Literal[
    "bmd.pearson_r", "tbs.pearson_r", "osteopenia.auc", "osteoporosis.auc", "impaired_tbs.auc"
]
RuleKey = Literal[
    "bmd.pearson_r",
    "tbs.pearson_r",
    "osteopenia.auc",
    "osteoporosis.auc",
    "impaired_tbs.auc",
    "flag.sensitivity",
    "flag.specificity",
]
BaselineKey = Literal["hu", "hu_kvp", "hu_age_sex_bmi", "age_sex"]
BiasKey = Literal["bmd.bias_g_cm2", "tbs.bias"]
Target = Literal["bmd", "tbs"]
Approval = Literal["automatic", "person"]


class BoundRule(Section):
    """The lower bound of a metric's interval must lie above a number.

    Attributes
    ----------
    above
        Strictly.
    minimum_with, minimum_without
        Test patients with and without the finding that are needed to judge an AUC or a share at all.
    """

    above: float = Field(ge=-1.0, lt=1.0)
    minimum_with: int = Field(default=0, ge=0)
    minimum_without: int = Field(default=0, ge=0)


class GainRule(Section):
    """The lower bound of the gain over a baseline, fitted on the same train patients, must lie above a number.

    Attributes
    ----------
    above
        Strictly; 0 or more.
    """

    above: float = Field(ge=0.0, lt=1.0)


class VendorRule(Section):
    """Every vendor's test patients by themselves: the worst vendor must pass.

    All must pass, so their intervals need no correction for being several (intersection-union test).

    Attributes
    ----------
    minimum_patients
        Test patients of a vendor; with fewer of any vendor the rules are not judged.
    bias_within
        The whole interval of each vendor's bias must lie within plus and minus this.
    r_margin
        r of a vendor's patients minus r of all others (bootstrap): its lower bound must lie above minus this.
    """

    minimum_patients: int = Field(ge=4)
    bias_within: dict[BiasKey, float] = Field(default_factory=dict)
    r_margin: dict[CorrelationKey, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        bounds = [*self.bias_within.items(), *self.r_margin.items()]
        wrong = [key for key, value in bounds if not 0 < value <= 0.5]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: above 0 and at most 0.5 is accepted")
        return self


class CoverageRule(Section):
    """The number of test patients inside their prediction interval must lie in its exact band.

    A conformal interval's own coverage depends on which patients calibrated it: the band is the binomial one mixed
    over that (`models.evaluation.coverage.conformal_band`). The plain binomial band would refuse one in five
    intervals that keep their promise (19 %, with 500 calibration and 700 test patients).

    Attributes
    ----------
    confidence
        Of the band: how often intervals that keep their promise pass.
    """

    confidence: float = Field(ge=0.9, lt=1.0)


class ChampionRule(Section):
    """Not inferior: the lower bound of challenger minus champion, paired, must lie above minus `margin`."""

    margin: float = Field(gt=0.0, le=0.5)


class GatePolicy(Section):
    """One policy.

    Attributes
    ----------
    confidence
        At least, of the report's intervals; bounds of narrower intervals are not judged.
    minimum_test_patients
        With fewer nothing is judged, and what is not judged is not passed.
    rules
        Every metric has its rule; none can be left out by forgetting it.
    gains
        Baseline -> metric -> rule; the gain in BMD over age and sex is always among them.
    worst_vendor
        None where there are too few patients of a vendor to say anything.
    coverage, champion
        See `CoverageRule`, `ChampionRule`.
    required
        Rules that must be judged: 'not judged' blocks them, and only them; named 'gain.<baseline>.<metric>',
        'coverage.<target>', 'worst_vendor.<metric>', 'champion.<metric>'. For want of a champion none blocks.
    """

    confidence: float = Field(ge=0.95, lt=1.0)
    minimum_test_patients: int = Field(ge=10)
    rules: dict[RuleKey, BoundRule]
    gains: dict[BaselineKey, dict[CorrelationKey, GainRule]]
    worst_vendor: VendorRule | None
    coverage: dict[Target, CoverageRule]
    champion: dict[ComparedKey, ChampionRule]
    required: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every rule by name, in the order of the decision page."""
        vendor = self.worst_vendor
        by_vendor = () if vendor is None else (*vendor.bias_within, *vendor.r_margin)
        return (
            *self.rules,
            *(f"gain.{over}.{key}" for over, gains in self.gains.items() for key in gains),
            *(f"worst_vendor.{key}" for key in by_vendor),
            *(f"coverage.{target}" for target in self.coverage),
            *(f"champion.{key}" for key in self.champion),
        )

    @model_validator(mode="after")
    def _nothing_forgotten(self) -> Self:
        lacking = set(get_args(RuleKey)) - set(self.rules)
        if lacking:
            raise ValueError(f"rules lack {', '.join(sorted(lacking))}")
        unknown = [key for key in self.required if key not in self.keys]
        if unknown:
            raise ValueError(
                f"required names no rule: {', '.join(unknown)}; known: {', '.join(sorted(self.keys))}"
            )
        # Without these a model that read only age and sex off the image could be promoted, or a champion be
        # replaced unseen.
        needed = {"bmd.pearson_r", "gain.age_sex.bmd.pearson_r", "champion.bmd.pearson_r"}
        if not needed <= set(self.required):
            raise ValueError(f"required must hold {', '.join(sorted(needed))}")
        return self


class GateParams(Section):
    """Section `gate` of params.yaml.

    Attributes
    ----------
    default_policy
        The policy that is meant when none is named.
    approval
        Who lets a model that passed the rules be deployed: the gate itself, or a person (`osteogate approve`).
    policies
        By name.
    """

    default_policy: str
    approval: Approval
    policies: dict[str, GatePolicy] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_default(self) -> Self:
        if self.default_policy not in self.policies:
            raise ValueError(
                f"default_policy {self.default_policy!r} is no policy; accepted: {', '.join(self.policies)}"
            )
        return self

    def policy(self, name: str) -> GatePolicy:
        """The policy called `name`.

        Raises
        ------
        ParameterError
            When there is none of that name.
        """
        if name not in self.policies:
            raise ParameterError(
                f"gate policy {name!r} is not in params.yaml; accepted: {', '.join(self.policies)}"
            )
        return self.policies[name]
