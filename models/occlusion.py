"""Does the model look at the vertebral body: the answer when the body, or all else, is replaced.

A grey box would ask the network about something that it never saw. Two replacements are made instead, each once inside
the body and once everywhere else:

average  the mean crop of all other patients at this level: what is this patient's own is taken away, density and
         structure alike
donor    the crop of the other patient whose scan is most alike: both pictures are spines that could be

The measure is how much more the answer moves when it is the body that is replaced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.artefact import LoadedModel
from models.body_region import body_weight
from models.crop_store import CropStore
from models.errors import InputError
from models.network import BoneNet
from models.network_config import ACQUISITION

REPLACEMENTS = {
    "average": "the mean of all other patients' crops at this level",
    "donor": "the same level of the other patient whose scan is most alike (vendor, kernel, thickness, kVp)",
}


class OcclusionError(InputError):
    """Too few patients to replace anything by another's."""


@dataclass(frozen=True)
class Occlusion:
    """How far the answers moved.

    Attributes
    ----------
    patients
        (n,) whose crop it was; one crop a patient, levels in turn.
    inside, outside
        Replacement -> (n, 2) absolute change of BMD (g/cm2) and TBS when the body, or its surroundings, is replaced.
    """

    patients: tuple[str, ...]
    inside: dict[str, NDArray[np.float64]]
    outside: dict[str, NDArray[np.float64]]

    def ratio(self, replacement: str, target: int, rows: NDArray[np.int64]) -> float | None:
        """Mean change with the body over mean change with its surroundings; None when the latter is 0."""
        inside, outside = (part[replacement][rows, target].mean() for part in (self.inside, self.outside))
        return float(inside / outside) if outside > 0 else None


def occlude(
    model: LoadedModel,
    store: CropStore,
    *,
    split: str = "test",
    most_patients: int = 200,
    seed: int = 0,
    batch: int = 32,
) -> Occlusion:
    """Replace body and surroundings in one crop of each patient of a split.

    HU of other patients are first brought to the tube voltage of the crop, as the network itself does.

    Parameters
    ----------
    most_patients
        Drawn at random where there are more.

    Raises
    ------
    OcclusionError
        Fewer than two patients share every level that is asked about.
    """
    network = model.network.eval()
    weight = torch.from_numpy(body_weight(store.header.geometry)).float()
    drawn, nearest = _drawn(store.index, split, most_patients, np.random.default_rng(seed))
    means = _means(network, store, nearest)
    inside: dict[str, list[NDArray[np.float64]]] = {name: [] for name in REPLACEMENTS}
    outside: dict[str, list[NDArray[np.float64]]] = {name: [] for name in REPLACEMENTS}
    with torch.inference_mode():
        for start in range(0, len(drawn), batch):
            part = drawn.iloc[start : start + batch]
            own, facts = _read(store, part["row"])
            before = torch.cat(network(own, facts), dim=1)
            others = {
                "average": torch.stack(
                    [
                        _without(means[level], hu)
                        for level, hu in zip(part["level"], _to_reference(network, own, facts), strict=True)
                    ]
                ),
                "donor": _to_reference(network, *_read(store, part["donor"])),
            }
            for name, normalised in others.items():
                other = _from_reference(network, normalised, facts)
                for kept, moved in ((1 - weight, inside), (weight, outside)):
                    answer = torch.cat(network(own * kept + other * (1 - kept), facts), dim=1)
                    moved[name].append((answer - before).abs().double().numpy())
    return Occlusion(
        tuple(drawn["patient"]),
        {name: np.concatenate(parts) for name, parts in inside.items()},
        {name: np.concatenate(parts) for name, parts in outside.items()},
    )


def _drawn(
    index: pd.DataFrame, split: str, most: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.Series]:
    """One row per patient (patient, level, row number of its middle crop and of its donor's), and all middle crops.

    The latter: row number by patient and level, of the drawn patients.
    """
    chosen = index[index["split"] == split]
    patients = rng.permutation(np.array(sorted(set(chosen["patient"])), dtype=object))[:most]
    chosen = chosen[chosen["patient"].isin(patients)]
    nearest = chosen["lateral_offset_mm"].abs().groupby([chosen["patient"], chosen["level"]]).idxmin()
    rows = []
    for number, patient in enumerate(patients):
        levels = sorted(nearest[patient].index)
        level = levels[number % len(levels)]
        donor = _donor(chosen, patient, level, nearest)
        if donor is not None:
            rows.append((patient, level, int(nearest[patient][level]), donor))
    if not rows:
        raise OcclusionError(
            f"split {split}: {len(patients)} patients; at least 2 with a common level are needed"
        )
    return pd.DataFrame(rows, columns=["patient", "level", "row", "donor"]), nearest


def _donor(chosen: pd.DataFrame, patient: str, level: str, nearest: pd.Series) -> int | None:
    """Row number of the crop of this level whose scan is most like the patient's own.

    Vendor and kernel class count most, then slice thickness, pixel spacing and tube voltage (logarithms): noise and
    sharpness then agree, and what differs is the patient.
    """
    rows = nearest.xs(level, level=1).drop(patient)
    if rows.empty:
        return None
    own, others = chosen.loc[nearest[patient][level]], chosen.loc[rows]
    unlike = 2.0 * (others["vendor"] != own["vendor"]) + 2.0 * (others["kernel_class"] != own["kernel_class"])
    for name in ACQUISITION:
        unlike = unlike + (others[name].astype(float) / float(own[name])).map(math.log).abs()
    return int(unlike.idxmin())


def _means(network: BoneNet, store: CropStore, nearest: pd.Series) -> dict[str, tuple[Tensor, int]]:
    """Level -> sum (C, H, W) of HU at the reference tube voltage over all patients, and how many they are."""
    sums: dict[str, tuple[Tensor, int]] = {}
    for level, rows in nearest.groupby(level=1):
        total = torch.zeros(store.hu.shape[1:])
        for start in range(0, len(rows), 64):
            total += _to_reference(network, *_read(store, rows.iloc[start : start + 64])).sum(0)
        sums[str(level)] = total, len(rows)
    return sums


def _without(summed: tuple[Tensor, int], own: Tensor) -> Tensor:
    total, count = summed
    return (total - own) / (count - 1)


def _to_reference(network: BoneNet, hu: Tensor, facts: Tensor) -> Tensor:
    return network.normalised_hu(hu, facts)


def _from_reference(network: BoneNet, hu: Tensor, facts: Tensor) -> Tensor:
    factor = (network.config.kvp_reference / facts[:, 0]) ** network.config.kvp_exponent
    return hu.clamp(max=0.0) + hu.clamp(min=0.0) * factor.view(-1, 1, 1, 1)


def _read(store: CropStore, rows: pd.Series) -> tuple[Tensor, Tensor]:
    """Crops (n, C, H, W) as float HU, and acquisition (n, 3), of rows of the store."""
    hu = np.array(store.hu[rows.to_numpy()], dtype=np.float32)
    facts = np.array(store.index.loc[rows, list(ACQUISITION)], dtype=np.float32)
    return torch.from_numpy(hu), torch.from_numpy(facts)
