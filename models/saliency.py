"""Which pixels an estimate rests on: integrated gradients (Captum) of a few crops, shown and measured.

Integrated gradients (Sundararajan et al., ICML 2017) share an estimate's difference from that of a baseline crop out
among the pixels: they add up to the difference, up to the error of the integration, which is reported. The baseline is
soft tissue throughout: a crop without bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray

from models.artefact import LoadedModel
from models.body_region import body_weight
from models.crop_store import CropStore
from models.network_config import ACQUISITION, TARGETS

BASELINE_HU = 40.0  # muscle 40-60 HU, organs 30-60 HU


@dataclass(frozen=True)
class Attribution:
    """One crop and what its estimates rest on.

    Attributes
    ----------
    hu
        (H, W) middle slice.
    maps
        Target -> (H, W) attribution summed over slices, in the target's unit per pixel.
    inside
        Target -> share of the absolute attribution that lies inside the body.
    error
        Target -> |sum of attributions - (estimate - baseline's)| over |estimate - baseline's|.
    """

    level: str
    vendor: str
    hu: NDArray[np.int16]
    maps: dict[str, NDArray[np.float64]]
    inside: dict[str, float]
    error: dict[str, float]


def attribute(model: LoadedModel, store: CropStore, rows: list[int], *, steps: int = 16) -> list[Attribution]:
    """Integrated gradients for these rows of the store.

    Parameters
    ----------
    steps
        Of the integration from baseline to crop.
    """
    network = model.network.eval()
    weight = body_weight(store.header.geometry)
    found = []
    for row in rows:
        crop = torch.from_numpy(np.array(store.hu[row], dtype=np.float32))[None]
        facts = torch.from_numpy(np.array(store.index.loc[[row], list(ACQUISITION)], dtype=np.float32))
        maps, inside, error = {}, {}, {}
        for number, target in enumerate(TARGETS):
            method = IntegratedGradients(
                lambda hu, known, number=number: torch.cat(network(hu, known), dim=1)[:, number]
            )
            values, delta = method.attribute(
                crop,
                baselines=torch.full_like(crop, BASELINE_HU),
                additional_forward_args=(facts,),
                n_steps=steps,
                internal_batch_size=16,
                return_convergence_delta=True,
            )
            plane = values[0].sum(0).detach().double().numpy()
            maps[target] = plane
            whole = np.abs(plane).sum()
            inside[target] = float((np.abs(plane) * weight).sum() / whole) if whole > 0 else float("nan")
            moved = abs(float(plane.sum()) - float(delta[0]))
            error[target] = abs(float(delta[0])) / moved if moved > 0 else float("nan")
        facts_of = store.index.loc[row]
        found.append(
            Attribution(
                str(facts_of["level"]),
                str(facts_of["vendor"]),
                np.array(store.hu[row][store.hu.shape[1] // 2]),
                maps,
                inside,
                error,
            )
        )
    return found
