"""Section `monitor` of params.yaml: how drift is judged and how much traffic is simulated."""

from __future__ import annotations

from pydantic import Field

from models.params import Section


class MonitorParams(Section):
    """Section `monitor`.

    Attributes
    ----------
    family_alpha
        Chance that a period in which nothing moved names any vendor at all; shared out over all tests of all
        vendors (Bonferroni).
    minimum_studies
        A vendor with fewer studies in the reference or in the current period is not judged.
    reference_per_vendor, current_per_vendor
        Simulated studies per vendor in the reference month and in the current period.
    vendors
        Vendors of the simulated traffic.
    reference_seed, current_seed
        Seeds of the two simulated months; different, so that no patient is in both.
    period_days
        Length of each month, over which the simulated answers are spread in the log.
    workers
        Processes that simulate studies.
    """

    family_alpha: float = Field(gt=0, le=0.2)
    minimum_studies: int = Field(ge=10, le=1000)
    reference_per_vendor: int = Field(ge=1, le=10_000)
    current_per_vendor: int = Field(ge=1, le=10_000)
    vendors: tuple[str, ...] = Field(min_length=1)
    reference_seed: int = Field(ge=0)
    current_seed: int = Field(ge=0)
    period_days: int = Field(ge=1, le=366)
    workers: int = Field(ge=1, le=256)
