"""Named policies of the gate: section `gate` of params.yaml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from models.errors import ParameterError
from models.params import Section

RuleKey = Literal["bmd.pearson_r", "tbs.pearson_r", "osteopenia.auc", "osteoporosis.auc", "impaired_tbs.auc"]
CorrelationKey = Literal["bmd.pearson_r", "tbs.pearson_r"]
BaselineKey = Literal["hu", "hu_kvp", "hu_age_sex_bmi", "age_sex"]


class BoundRule(Section):
    """The lower bound of a metric's interval must lie above a number.

    Attributes
    ----------
    above
        Strictly.
    minimum_with, minimum_without
        Test patients with and without the finding that are needed to judge an AUC at all.
    """

    above: float = Field(ge=-1.0, lt=1.0)
    minimum_with: int = Field(default=0, ge=0)
    minimum_without: int = Field(default=0, ge=0)


class GainRule(Section):
    """The lower bound of the gain over a baseline must lie above a number.

    Attributes
    ----------
    over
        The baseline, fitted on the same train patients.
    above
        Strictly; 0 or more.
    """

    over: BaselineKey
    above: float = Field(ge=0.0, lt=1.0)


class ChampionRule(Section):
    """The metric may fall below the champion's, on the same test patients, by at most `margin`."""

    margin: float = Field(ge=0.0, le=0.5)


class GatePolicy(Section):
    """One policy.

    Attributes
    ----------
    minimum_test_patients
        With fewer nothing is judged, and what is not judged is not passed.
    rules
        Every metric has its rule; none can be left out by forgetting it.
    gains, champion
        See `GainRule`, `ChampionRule`; gains in BMD over age and sex are always among them.
    required
        Rules that must be judged: 'not judged' blocks them, and only them. A gain is named 'gain.<metric>'.
    """

    minimum_test_patients: int = Field(ge=10)
    rules: dict[RuleKey, BoundRule]
    gains: dict[CorrelationKey, GainRule]
    champion: dict[CorrelationKey, ChampionRule]
    required: tuple[str, ...]

    @model_validator(mode="after")
    def _nothing_forgotten(self) -> Self:
        lacking = set(RuleKey.__args__) - set(self.rules)  # type: ignore[attr-defined]
        if lacking:
            raise ValueError(f"rules lack {', '.join(sorted(lacking))}")
        known = {*self.rules, *(f"gain.{key}" for key in self.gains)}
        unknown = [key for key in self.required if key not in known]
        if unknown:
            raise ValueError(
                f"required names no rule: {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
        # Without these two a model that read only age and sex off the image could be promoted.
        needed = {"bmd.pearson_r", "gain.bmd.pearson_r"}
        if not needed <= set(self.required) or self.gains["bmd.pearson_r"].over != "age_sex":
            raise ValueError(f"required must hold {' and '.join(sorted(needed))}, the gain over age_sex")
        return self


class GateParams(Section):
    """Section `gate` of params.yaml: policies by name, and the one that is meant when none is named."""

    default_policy: str
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
