"""Batches of crops, labels and acquisition facts read from a crop store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.bone_reference import unknown_devices
from models.crop_store import SPLITS, CropStore
from models.errors import InputError
from models.lateral_jitter import LateralJitter
from models.network_config import ACQUISITION, TARGETS


class TrainingDataError(InputError):
    """A crop store cannot be trained on; the message says which split and why."""


@dataclass(frozen=True)
class Batch:
    """One batch on the CPU.

    Attributes
    ----------
    crops
        (N, C, H, W) int16 HU.
    acquisition
        (N, 3) float32: kVp, slice thickness mm, pixel spacing mm.
    labels
        (N, 2) float32: BMD g/cm2 and TBS of the level.
    rows
        (N,) row numbers in the store's index.
    """

    crops: Tensor
    acquisition: Tensor
    labels: Tensor
    rows: np.ndarray

    def pinned(self) -> Batch:
        """The same in page-locked memory (needs CUDA)."""
        return replace(
            self,
            crops=self.crops.pin_memory(),
            acquisition=self.acquisition.pin_memory(),
            labels=self.labels.pin_memory(),
        )


class CropDataset:
    """The crops of some splits of a store; pixels stay on disk until a batch asks for them.

    Parameters
    ----------
    store
        Open crop store.
    splits
        Names among `models.crop_store.SPLITS`.
    middle_only
        Only the crop nearest to the middle of each vertebra (validation looks at one per level).
    lateral_jitter_mm
        How far `shuffled` may move a crop to the left or right, in whole stored slices.
    """

    def __init__(
        self,
        store: CropStore,
        splits: tuple[str, ...],
        *,
        middle_only: bool = False,
        lateral_jitter_mm: float = 0.0,
    ) -> None:
        unknown = sorted(set(splits) - set(SPLITS))
        if unknown:
            raise ValueError(f"unknown splits {unknown}; accepted {SPLITS}")
        self.store = store
        index = store.index
        chosen = index[index["split"].isin(splits)]
        if middle_only and len(chosen):
            nearest = chosen["lateral_offset_mm"].abs().groupby([chosen["series"], chosen["level"]]).idxmin()
            chosen = chosen.loc[np.sort(nearest.to_numpy())]
        self.rows = chosen.index.to_numpy(dtype=np.int64)
        self.acquisition = np.array(chosen[list(ACQUISITION)], dtype=np.float32)
        self.labels = np.array(chosen[list(TARGETS)], dtype=np.float32)
        self.patients: tuple[str, ...] = tuple(chosen["patient"].unique())
        self.jitter = LateralJitter(chosen, store.header.geometry, lateral_jitter_mm)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray, steps: np.ndarray | None = None) -> Batch:
        """The batch of these positions (0 to len - 1), in this order.

        Parameters
        ----------
        steps
            Slices by which each crop is moved to the patient's left; None moves none.
        """
        rows = self.rows[positions]
        if steps is None or not steps.any():
            pixels = self.store.hu[rows]
        else:
            source, channel = self.jitter.sources(positions, steps)
            pixels = self.store.hu[source, channel]
        return Batch(
            crops=torch.from_numpy(np.array(pixels, dtype=np.int16)),
            acquisition=torch.from_numpy(self.acquisition[positions]),
            labels=torch.from_numpy(self.labels[positions]),
            rows=rows,
        )

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All batches in the order of the store; the last may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))))

    def shuffled(
        self, batch_size: int, seed: int, epoch: int, *, part: int = 0, parts: int = 1, least: int = 2
    ) -> Iterator[Batch]:
        """One epoch in an order, and with lateral steps, that are a function of seed and epoch.

        Parameters
        ----------
        part, parts
            Yields only the part-th of the `parts` parts of every batch (as even as they can be), so that
            several processes together see what one would.
        least
            Crops of a part, 2 for each of its micro-batches: batch normalisation cannot train on one crop. A last
            batch with fewer is left out; another epoch's order includes them.
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        steps = self.jitter.draw(np.random.default_rng([seed, epoch, 1]))
        for start in range(0, len(order), batch_size):
            positions = order[start : start + batch_size]
            if len(positions) >= least * parts:
                own = positions[part::parts]
                yield self.batch(own, steps[own])

    def batches(self, batch_size: int, parts: int = 1, least: int = 2) -> int:
        """How many batches `shuffled` yields."""
        whole, rest = divmod(len(self), batch_size)
        return (whole if batch_size >= least * parts else 0) + (rest >= least * parts)


def check_trainable(
    train: CropDataset, validation: CropDataset, *, absent_vendor: Literal["warn", "refuse"] = "warn"
) -> None:
    """Refuse what cannot be trained on.

    Parameters
    ----------
    absent_vendor
        What to do about a vendor in train that validation lacks: such a training would be stopped, and its weights
        chosen, without ever asking how that vendor's patients fare.

    Raises
    ------
    TrainingDataError
        Too few patients in train or none in validation, a patient in two splits (whichever), a DXA device
        whose scale is not known (in any split: its labels cannot be evaluated either), labels or acquisition
        that are not finite, a target that is the same everywhere, or a vendor that validation lacks where
        that is refused.
    """
    if len(train.patients) < 2:
        raise TrainingDataError(f"split train: {len(train.patients)} patients; at least 2 are needed")
    if not validation.patients:
        raise TrainingDataError("split validation: no patients; early stopping needs at least 1")
    index = train.store.index
    splits = index.groupby("patient")["split"].unique()
    several = splits[splits.map(len) > 1]
    if len(several):
        names = " and in ".join(name for name in SPLITS if name in several.iloc[0])
        raise TrainingDataError(
            f"{len(several)} patients are in more than one split (one is in {names}); a patient has one split"
        )
    unknown = unknown_devices(index["dxa_device"].unique())
    if unknown is not None:
        raise TrainingDataError(f"column dxa_device: {unknown}")
    _check_vendors(train, validation, absent_vendor)
    for name, dataset in (("train", train), ("validation", validation)):
        for column, values in (
            *zip(TARGETS, dataset.labels.T, strict=True),
            *zip(ACQUISITION, dataset.acquisition.T, strict=True),
        ):
            broken = int((~np.isfinite(values)).sum())
            if broken:
                raise TrainingDataError(
                    f"split {name}, column {column}: {broken} values are not finite numbers"
                )
    for column, values in zip(TARGETS, train.labels.T, strict=True):
        if float(np.ptp(values)) < 1e-6:
            raise TrainingDataError(
                f"split train, column {column}: all values are {values[0]:g}; nothing to learn"
            )


def _check_vendors(train: CropDataset, validation: CropDataset, absent_vendor: str) -> None:
    trained, stopped = (set(part.store.index.loc[part.rows, "vendor"]) for part in (train, validation))
    absent = ", ".join(sorted(map(str, trained - stopped)))
    if absent and absent_vendor == "refuse":
        raise TrainingDataError(
            f"split validation: no patient of vendor {absent}, which split train holds; add patients, or accept it "
            "with train.absent_vendor: warn"
        )
    if absent:
        logging.getLogger(__name__).warning("split validation: no patient of vendor %s", absent)
