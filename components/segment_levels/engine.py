"""Calling the engine in its own environment: a volume in, a label map of vertebrae and ribs out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.nifti import RAS_TO_LPS
from components.ingest_dicom.volume import Volume
from components.segment_levels.params import SegmentParams
from components.segment_levels.weights import require_weights
from models.errors import InputError, OsteoGateError

WORKER = Path(__file__).with_name("engine_worker.py")
SCHEME = "totalseg"
SUFFIX = f".{SCHEME}.nii.gz"
# TotalSegmentator v2, task total: sacrum 25, S1 26, L5 27 up to T11 33, ribs left 92-103 and right 104-115
KEPT = (*range(25, 34), *range(92, 116))
STRUCTURES = (
    "sacrum", "vertebrae_S1", *(f"vertebrae_L{number}" for number in range(5, 0, -1)),
    "vertebrae_T12", "vertebrae_T11",
    *(f"rib_{side}_{number}" for side in ("left", "right") for number in range(1, 13)),
)  # fmt: skip


class EngineEnvironmentError(InputError):
    """The engine's environment is not there."""


class EngineFailedError(OsteoGateError):
    """The engine gave no usable label map for one series."""


@dataclass(frozen=True)
class EngineFacts:
    """What made a label map."""

    engine: str
    version: str


def require_engine(params: SegmentParams) -> Path:
    """The engine's interpreter, once environment and weights are known to be whole.

    Raises
    ------
    EngineEnvironmentError, EngineWeightsError
        One line naming what is missing.
    """
    assert params.environment is not None
    assert params.weights is not None
    python = params.environment / "bin" / "python"
    if not python.is_file():
        raise EngineEnvironmentError(
            f"segment.environment: {python} does not exist; make a virtual environment there and install "
            "infra/images/requirements-totalsegmentator.txt into it"
        )
    require_weights(params.weights, params.resolution_mm)
    return python


def require_fit_engine(params: SegmentParams) -> None:
    """Ask the environment once whether its engine loads, before every series fails for the same reason.

    Raises
    ------
    EngineEnvironmentError, EngineWeightsError
        As `require_engine`; the engine cannot be imported, is of another version, or finds no GPU.
    """
    python = require_engine(params)
    try:
        _call(python, _request(params), params.timeout_s)
    except EngineFailedError as error:
        raise EngineEnvironmentError(f"segment.environment: {error}") from error


def segment_volume(volume: Volume, out: Path, params: SegmentParams) -> EngineFacts:
    """Write the label map of `volume` to `out` (NIfTI on the volume's own grid, numbering `totalseg`).

    Raises
    ------
    EngineEnvironmentError, EngineWeightsError
        As `require_engine`.
    EngineFailedError
        It ended with an error, took too long, or its map is of another grid or empty.
    """
    python = require_engine(params)
    with tempfile.TemporaryDirectory() as folder:
        image, labels = Path(folder, "ct.nii.gz"), Path(folder, "labels.nii.gz")
        ras = RAS_TO_LPS @ volume.affine
        nibabel.save(nibabel.Nifti1Image(volume.hu, ras), image)
        request = {**_request(params), "image": str(image), "labels": str(labels)}
        facts = _call(python, request, params.timeout_s)
        _write(_kept(labels, volume), ras, out)
    return facts


def _request(params: SegmentParams) -> dict[str, object]:
    fast = params.resolution_mm == 3.0
    return {
        "weights": str(params.weights),
        "fast": fast,
        "structures": None if fast else list(STRUCTURES),  # a subset needs the rough network as well
        "device": params.device,
    }


def _call(python: Path, request: dict[str, object], timeout_s: float) -> EngineFacts:
    try:
        engine = subprocess.Popen(
            [str(python), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the engine starts processes of its own; they end with it
        )
    except OSError as error:
        raise EngineFailedError(f"the engine could not be started ({error.strerror})") from error
    try:
        out, err = engine.communicate(json.dumps(request), timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise EngineFailedError(f"the engine took longer than {timeout_s:g} s") from error
    finally:
        _end(engine)
    return _facts(engine.returncode, out, err)


def _end(engine: subprocess.Popen[str]) -> None:
    """End the engine with every process that it started, whatever happened."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(engine.pid, signal.SIGKILL)
    for pipe in (engine.stdin, engine.stdout, engine.stderr):
        if pipe is not None:
            pipe.close()
    engine.wait()


def _facts(code: int, out: str, err: str) -> EngineFacts:
    lines = out.strip().splitlines()
    if code != 0 or not lines:
        last = err.strip().splitlines()[-1:] or ["no message"]
        raise EngineFailedError(f"the engine ended with code {code}: {last[0][:200]}")
    try:
        answer = json.loads(lines[-1])
        return EngineFacts(str(answer["engine"]), str(answer["version"]))
    except (ValueError, KeyError, TypeError) as error:
        raise EngineFailedError("the engine's answer is not understood") from error


def _kept(labels: Path, volume: Volume) -> NDArray[np.uint8]:
    """The map without organs, checked to lie on the volume's grid."""
    try:
        image = nibabel.load(labels)
        values = np.asarray(image.dataobj)
    except (OSError, ValueError, EOFError) as error:
        raise EngineFailedError(f"the engine's label map cannot be read ({type(error).__name__})") from error
    expected = RAS_TO_LPS @ volume.affine
    if values.shape != volume.shape or not np.allclose(image.affine, expected, atol=1e-3):
        raise EngineFailedError(
            f"the engine's label map has another grid ({values.shape}, CT {volume.shape})"
        )
    kept = np.where(np.isin(values, KEPT), values, 0).astype(np.uint8)
    if not kept.any():
        raise EngineFailedError("the engine found no vertebra")
    return kept


def _write(labels: NDArray[np.uint8], affine: NDArray[np.float64], out: Path) -> None:
    """Beside, then renamed in: a label map is there whole or not at all."""
    partial = out.with_name(f".partial-{out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels, affine), partial)
    partial.replace(out)
