"""What a drift comparison says: per feature, per vendor, and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Verdict on one vendor."""

    STABLE = "stable"
    DRIFT = "drift"
    NEW_VENDOR = "new_vendor"
    NOT_JUDGED = "not_judged"


ALERTS = (Status.DRIFT, Status.NEW_VENDOR)


@dataclass(frozen=True)
class FeatureVerdict:
    """One test of one feature of one vendor, as the Evidently report gave it.

    Attributes
    ----------
    test
        Name of the test in Evidently's registry, or '' where the feature could not be tested.
    p_value
        None where the feature could not be tested; `note` says why.
    reference_typical, current_typical
        Median with its unit, or the most frequent category with its share.
    missing
        True: what was compared is the share of missing values, not the values.
    """

    name: str
    label: str
    group: str
    test: str
    p_value: float | None
    drifted: bool
    reference_n: int
    current_n: int
    reference_typical: str
    current_typical: str
    missing: bool = False
    note: str = ""

    def words(self) -> str:
        """For example: soft tissue peak 54.1 -> 64.0 HU (p 3e-15)."""
        if self.p_value is None:
            return f"{self.label}: {self.note}"
        change = f"{self.reference_typical} -> {self.current_typical}"
        subject = f"{self.label} missing" if self.missing else self.label
        return f"{subject} {change} (p {self.p_value:.1g})"


@dataclass(frozen=True)
class VendorVerdict:
    """Verdict on one vendor.

    Attributes
    ----------
    reference_n, current_n
        Studies.
    report
        File name of the Evidently report beside the summary, or ''.
    reason
        Why it is not judged, or new; '' where the features speak.
    """

    vendor: str
    status: Status
    reference_n: int
    current_n: int
    features: tuple[FeatureVerdict, ...] = ()
    report: str = ""
    reason: str = ""

    @property
    def moved(self) -> tuple[FeatureVerdict, ...]:
        """The features that moved, the surest first."""
        found = [feature for feature in self.features if feature.drifted]
        return tuple(sorted(found, key=lambda feature: feature.p_value or 0.0))

    def words(self) -> str:
        """One line for people."""
        name = self.vendor or "(no vendor)"
        counts = f"{self.current_n} studies against {self.reference_n}"
        if self.status is Status.DRIFT:
            return f"{name}: drift in {'; '.join(item.words() for item in self.moved)}; {counts}"
        if self.status is Status.STABLE:
            left = [item for item in self.features if item.p_value is None]
            aside = f"; not tested: {', '.join(item.words() for item in left)}" if left else ""
            return f"{name}: stable; {counts}{aside}"
        return f"{name}: {self.status.replace('_', ' ')}: {self.reason}"


@dataclass(frozen=True)
class Judgement:
    """Verdicts on all vendors of one period.

    Attributes
    ----------
    family_alpha, tests, threshold
        `threshold` = `family_alpha` / `tests` is what each p-value was held against.
    """

    vendors: tuple[VendorVerdict, ...]
    family_alpha: float
    tests: int
    threshold: float

    @property
    def alerts(self) -> tuple[VendorVerdict, ...]:
        """Vendors that drifted or are new."""
        return tuple(verdict for verdict in self.vendors if verdict.status in ALERTS)

    def named(self) -> tuple[str, ...]:
        """Names of the vendors with an alert."""
        return tuple(verdict.vendor for verdict in self.alerts)

    def words(self) -> str:
        """One line for people."""
        if not self.vendors:
            return "nothing to compare: neither the reference nor the current period holds a study"
        if self.alerts:
            return f"alert for {', '.join(name or '(no vendor)' for name in self.named())}"
        judged = [verdict for verdict in self.vendors if verdict.status is Status.STABLE]
        if not judged:
            return "no vendor could be judged"
        return f"no drift in {len(judged)} of {len(self.vendors)} vendors judged"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "summary": self.words(),
            "family_alpha": self.family_alpha,
            "tests": self.tests,
            "threshold": self.threshold,
            "vendors": [
                {**asdict(verdict), "status": verdict.status.value, "words": verdict.words()}
                for verdict in self.vendors
            ],
        }
