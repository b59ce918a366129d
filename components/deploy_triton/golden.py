"""The golden set: recorded crops with the training framework's answers, asked again of the server.

Triton says that it is ready even when every request fails, so only an inference with a known answer counts.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.deploy_triton.client import TritonClient
from components.deploy_triton.errors import DeploymentError
from components.deploy_triton.params import DeployParams
from models.crop_store import CropStore
from models.errors import InputError
from models.params import Section

GOLDEN_FILE = "golden.npz"
GOLDEN_SPLITS = ("calibration", "test")


class GoldenMismatchError(DeploymentError):
    """The server answers, but not what the training framework answered."""


class GoldenSetError(InputError):
    """The golden set is missing, damaged, or cannot be recorded."""


@dataclass(frozen=True)
class GoldenSet:
    """Attributes: crops (N, C, H, W) int16 HU, acquisition (N, 3) float32, answers of torch (N,) float32."""

    crops: NDArray[np.int16]
    acquisition: NDArray[np.float32]
    bmd_g_cm2: NDArray[np.float32]
    tbs: NDArray[np.float32]


class GoldenReport(Section):
    """What a golden inference found."""

    version: str
    crops: int
    bmd_difference_g_cm2: float
    tbs_difference: float


def select_golden(store: CropStore, count: int) -> NDArray[np.intp]:
    """Rows of the store for the golden set: central crops of calibration and test patients, vendors in turn.

    Raises
    ------
    GoldenSetError
        When the store has no such crop.
    """
    index = store.index
    central = index[index["split"].isin(GOLDEN_SPLITS) & (index["lateral_offset_mm"].abs() < 1e-6)]
    if central.empty:
        raise GoldenSetError(f"the crop store has no central crop in {GOLDEN_SPLITS}; none can be recorded")
    turn = central.groupby("vendor", sort=True).cumcount()
    order = central.assign(turn=turn).sort_values(["turn", "vendor"], kind="stable")
    return order.index.to_numpy()[:count].astype(np.intp)


def golden_inputs(store: CropStore, rows: NDArray[np.intp]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Crops (N, C, H, W) and acquisition (N, 3) of the rows."""
    facts = store.index.loc[rows, ["kvp", "slice_thickness_mm", "pixel_spacing_mm"]]
    return np.array(store.hu[rows], dtype=np.int16), facts.to_numpy(
        dtype=np.float32, copy=True
    )  # else read-only


def write_golden(golden: GoldenSet, path: Path) -> None:
    """Write beside and rename in."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as target:
        np.savez_compressed(
            target,
            crops=golden.crops,
            acquisition=golden.acquisition,
            bmd_g_cm2=golden.bmd_g_cm2,
            tbs=golden.tbs,
        )
    partial.replace(path)


def read_golden(path: Path) -> GoldenSet:
    """Read a golden set.

    Raises
    ------
    GoldenSetError
        Missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return GoldenSet(
                arrays["crops"], arrays["acquisition"], arrays["bmd_g_cm2"].ravel(), arrays["tbs"].ravel()
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise GoldenSetError(f"{path}: not a golden set ({' '.join(str(error).split())})") from error


def check_golden(
    client: TritonClient, golden: GoldenSet, params: DeployParams, *, version: str = ""
) -> GoldenReport:
    """Ask the server for the golden crops and compare with the recorded answers.

    Raises
    ------
    GoldenMismatchError
        A difference beyond `golden_bmd_g_cm2` or `golden_tbs`.
    TritonUnavailableError, TritonAnswerError
        No answer, or not a finite one.
    """
    answer = client.predict(golden.crops, golden.acquisition, version=version)
    report = GoldenReport(
        version=answer.model_version,
        crops=len(golden.crops),
        bmd_difference_g_cm2=float(np.abs(answer.bmd_g_cm2 - golden.bmd_g_cm2).max()),
        tbs_difference=float(np.abs(answer.tbs - golden.tbs).max()),
    )
    for name, found, allowed in (
        ("BMD (g/cm2)", report.bmd_difference_g_cm2, params.golden_bmd_g_cm2),
        ("TBS", report.tbs_difference, params.golden_tbs),
    ):
        if not found <= allowed:
            raise GoldenMismatchError(
                f"{client.model} version {answer.model_version} at {client.url}: {name} differs by "
                f"{found:.2g} from the training framework on the golden set; at most {allowed:g} is accepted"
            )
    return report
