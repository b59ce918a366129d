"""What a preparation did: counts that add up, and how often each code left out or flagged something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.prepare_vertebrae.series_crops import LeftOut, SeriesCrops
from models.crop_store import SPLITS
from models.levels import LEVELS
from models.refusal import Refusal


@dataclass(frozen=True)
class PrepareSummary:
    """What the step did.

    Attributes
    ----------
    counts
        series = prepared + refused, levels = crops' levels + left out + those of refused series; crops and
        patients by split.
    codes
        How often each code left out a level or a series.
    flags
        How often each code flagged a series that was used all the same.
    warnings
        For people: a vendor absent from a split.
    """

    counts: dict[str, int]
    codes: dict[str, int]
    flags: dict[str, int]
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class SeriesDone:
    """What the counts and tables need of a series once its crops are in the store: memory stays small.

    Attributes
    ----------
    split
        "" when the series was refused.
    """

    series: str
    patient: str
    vendor: str
    split: str
    level_count: int
    crop_count: int
    left_out: list[LeftOut]
    flags: tuple[Refusal, ...]
    statistics: dict[str, float]

    @classmethod
    def of(cls, result: SeriesCrops) -> SeriesDone:
        return cls(
            result.series,
            result.patient,
            result.vendor,
            str(result.rows[0]["split"]) if result.rows else "",
            len({row["level"] for row in result.rows}),
            len(result.rows),
            result.left_out,
            tuple(result.flags),
            result.statistics,
        )


def codes_of(results: Sequence[SeriesDone]) -> dict[str, int]:
    """How often each code left out a level or a series."""
    return dict(Counter(item.refusal.code.value for result in results for item in result.left_out))


def flags_of(results: Sequence[SeriesDone]) -> dict[str, int]:
    """How often each code flagged a series."""
    return dict(Counter(flag.code.value for result in results for flag in result.flags))


def counts_of(results: Sequence[SeriesDone]) -> dict[str, int]:
    """Counts that add up: series, levels, crops, and patients by split."""
    used = [result for result in results if result.split]
    crops: Counter[str] = Counter()
    patients: dict[str, set[str]] = {split: set() for split in SPLITS}
    for result in used:
        crops[result.split] += result.crop_count
        patients[result.split].add(result.patient)
    return {
        "series": len(results),
        "series_prepared": len(used),
        "series_refused": len(results) - len(used),
        "levels": len(results) * len(LEVELS),
        "levels_prepared": sum(result.level_count for result in used),
        "levels_left_out": sum(len(result.left_out) for result in used),
        "levels_of_refused_series": (len(results) - len(used)) * len(LEVELS),
        "patients_prepared": len({result.patient for result in used}),
        **{f"patients_{split}": len(patients[split]) for split in SPLITS},
        "crops": sum(crops.values()),
        **{f"crops_{split}": crops[split] for split in SPLITS},
    }
