"""One measured number with its interval, or the reason why there is none."""

from __future__ import annotations

from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from models.params import Section

_SLACK = 1e-9


class Metric(Section):
    """A number with its interval.

    Attributes
    ----------
    value
        None when it is not defined; then `reason` says why, and nobody reads a silent 0.
    low, high
        Bounds of the interval that `method` names; None with `value`.
    n
        Patients (or vertebrae) it rests on.
    positives
        Of those, how many have the finding (AUC, sensitivity, specificity).
    """

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n: int = Field(ge=0)
    positives: int | None = None
    method: str
    reason: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [bound is not None for bound in (self.value, self.low, self.high)]
        if any(given) and not all(given):
            raise ValueError("value, low and high are given together or not at all")
        if self.value is None and not self.reason:
            raise ValueError("a metric without a value needs its reason")
        low, value, high = self.low, self.value, self.high
        if value is None or low is None or high is None:
            return self
        if value < low - _SLACK or value > high + _SLACK:
            raise ValueError(f"value {value} outside its interval {low} to {high}")
        return self

    def words(self, digits: int = 2) -> str:
        """For people: '0.81 [0.69, 0.89]', or 'not defined: ...'."""
        if self.value is None:
            return f"not defined: {self.reason}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def undefined(reason: str, n: int, method: str, positives: int | None = None) -> Metric:
    """A metric that cannot be computed, with the reason in words."""
    return Metric(value=None, n=n, positives=positives, method=method, reason=reason)
