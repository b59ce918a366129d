"""The real engine from end to end, with networks whose weights are set by hand and no way into any network.

OSTEOGATE_ENGINE_ENVIRONMENT names an environment with infra/images/requirements-totalsegmentator.txt; minutes on a CPU.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import series_from_paths
from components.ingest_dicom.volume import Volume
from components.segment_levels.engine import EngineEnvironmentError, require_fit_engine, segment_volume
from components.segment_levels.params import SegmentParams

pytestmark = [pytest.mark.long, pytest.mark.real_ct]
L3 = 29
# Every process of the engine: a connection is noted and refused; and where torchvision is a CUDA build beside a CPU
# build of torch, its two missing operators are declared, without which nnU-Net does not import.
SHUT_IN = """
import importlib.abc, os, socket, sys
class Declare(importlib.abc.MetaPathFinder):
    kept = []
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and not self.kept:
            import torch
            if torch.version.cuda is None:
                self.kept.append(torch.library.Library("torchvision", "DEF"))
                for operator in ("nms", "qnms"):
                    self.kept[0].define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return None
sys.meta_path.insert(0, Declare())
connect = socket.socket.connect
def refuse(what):
    with open(os.environ["CONNECTIONS"], "a") as file:
        file.write(what + "\\n")
    raise OSError("no way out")
socket.socket.connect = lambda self, address: (
    connect(self, address) if self.family == socket.AF_UNIX else refuse(str(address))
)
socket.getaddrinfo = lambda *names, **_: refuse(str(names))
"""


@pytest.fixture
def params(tmp_path: Path) -> SegmentParams:
    """The named environment, shut in, and the networks that call bright voxels L3."""
    real = Path(os.environ["OSTEOGATE_ENGINE_ENVIRONMENT"]) / "bin" / "python"
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SHUT_IN)
    python.write_text(
        f'#!/bin/sh\nCONNECTIONS="{tmp_path / "connections.txt"}" PYTHONPATH="{tmp_path / "site"}" exec "{real}" "$@"\n'
    )
    python.chmod(0o755)
    maker = Path(__file__).with_name("threshold_weights.py")
    subprocess.run([python, maker, tmp_path / "weights"], check=True)
    return SegmentParams(
        engine="totalsegmentator",
        environment=python.parent.parent,
        weights=tmp_path / "weights",
        device="cpu",
    )


def lumbar_part(real_data: Callable[[str], Path]) -> Volume:
    """About 100 mm around L3 of a real patient, rows turned upside down: the engine has to turn them back."""
    files = sorted((real_data("ge_discovery_ls_lumbar") / "dicom").glob("*.dcm"))
    whole = read_volume(series_from_paths(files))
    centre = np.rint(whole.lps_to_index(np.array([-16.6, 48.8, -629.5]))).astype(int)
    low = centre - (12, 50, 50)
    hu = whole.hu[tuple(slice(start, start + size) for start, size in zip(low, (24, 100, 90), strict=True))]
    affine = whole.affine.copy()
    affine[:3, 1] *= -1
    affine[:3, 3] = whole.index_to_lps(low + np.array([0, 99, 0]))
    return Volume(np.ascontiguousarray(hu[:, ::-1]), affine)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resolution_mm", [3.0, 1.5])
def test_what_the_engine_finds_lies_where_it_is_in_the_ct(
    tmp_path: Path, params: SegmentParams, real_data: Callable[[str], Path], resolution_mm: float
) -> None:
    volume = lumbar_part(real_data)
    params = params.model_copy(update={"resolution_mm": resolution_mm})
    require_fit_engine(params)
    facts = segment_volume(volume, tmp_path / "found.totalseg.nii.gz", params)
    assert facts.engine == "TotalSegmentator"
    found = np.asarray(nibabel.load(tmp_path / "found.totalseg.nii.gz").dataobj)
    assert set(np.unique(found)) == {0, L3}  # the engine's number for it, as `totalseg` names it
    assert found.shape == volume.shape
    bright, dark = volume.hu[found == L3], volume.hu[found == 0]
    assert np.median(bright) > 120 > np.median(dark)  # bone; and at any other place both would be a mixture
    mirrored = volume.hu[:, ::-1][found == L3]
    assert np.median(mirrored) < np.median(bright) - 60
    assert not (tmp_path / "connections.txt").exists()


def test_an_engine_that_was_told_of_a_gpu_does_not_fall_back_to_the_cpu(params: SegmentParams) -> None:
    asked = params.model_copy(update={"device": "gpu"})
    torch = "import sys, torch; sys.exit(torch.cuda.is_available())"
    if subprocess.run([params.environment / "bin" / "python", "-c", torch], check=False).returncode:
        require_fit_engine(asked)
    else:
        with pytest.raises(EngineEnvironmentError, match="no GPU is visible"):
            require_fit_engine(asked)
