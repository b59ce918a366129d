"""A double of TotalSegmentator's Python API, for a machine that has neither the engine nor its weights.

It has the names, arguments and side effects that `engine_worker.py` relies on (version 2.18: `python_api`, `libs`,
`config`), and 'segments' by copying a label map that lies beside the environment. It says nothing about how well the
real engine finds vertebrae.
"""

from __future__ import annotations

import stat
import sys
import zipfile
from pathlib import Path

from components.segment_levels.weights import FILES, NETWORKS

PYTHON_API = """
import json, os
from pathlib import Path
import nibabel, numpy as np
from totalsegmentator.libs import download_pretrained_weights
HERE = Path(__file__).parent
def totalsegmentator(input, output=None, ml=False, fast=False, task="total",
                     roi_subset=None, device="gpu", quiet=False):
    config = json.loads((Path(os.environ["TOTALSEG_HOME_DIR"]) / "config.json").read_text())
    assert config["send_usage_stats"] is False, "statistics would be sent"
    assert output is None and ml and task == "total" and device in ("gpu", "cpu") and quiet
    assert (roi_subset is None) == fast
    for task_id in ([297] if fast else [291, 292, 293, 294, 295, 298]):
        download_pretrained_weights(task_id)
    (HERE / "called.json").write_text(json.dumps({"fast": fast, "device": device, "input": Path(input).name}))
    mode = (HERE / "mode.txt").read_text()
    print("some chatter of the engine")
    if mode == "crash":
        raise RuntimeError("CUDA out of memory")
    if mode == "fetch":
        from totalsegmentator import libs
        libs.download_url_and_unpack("somewhere", HERE)
    if mode == "slow":
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        (HERE / "child.txt").write_text(str(child.pid))
        time.sleep(60)
    image = nibabel.load(input)
    labels = nibabel.load(HERE / "labels.nii.gz")
    values = np.asarray(labels.dataobj)
    if mode == "empty":
        values = np.zeros_like(values)
    if mode == "cropped":
        values = values[:-1]
    return nibabel.Nifti1Image(values, image.affine)
"""
LIBS = """
from pathlib import Path
HERE = Path(__file__).parent
def download_url_and_unpack(url, config_dir):
    (HERE / "downloaded").write_text(url)
def download_model_with_license_and_unpack(task_name, config_dir):
    (HERE / "downloaded").write_text(str(task_name))
def download_pretrained_weights(task_id):
    download_url_and_unpack(str(task_id), HERE)
"""
NNUNET = """
from pathlib import Path
if (Path(__file__).parent / "mode.txt").read_text() == "torn":
    raise RuntimeError("operator torchvision::nms does not exist")
"""
TORCH = """
class cuda:
    @staticmethod
    def is_available():
        return False
"""


def make_engine(folder: Path, labels: Path, *, mode: str = "good") -> Path:
    """An environment whose `bin/python` finds the double; returns it. `labels` is what it 'finds'."""
    package = folder / "site" / "totalsegmentator"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "python_api.py").write_text(PYTHON_API)
    (package / "libs.py").write_text(LIBS)
    (package / "nnunet.py").write_text(NNUNET)
    (folder / "site" / "torch.py").write_text(TORCH)
    (package / "mode.txt").write_text(mode)
    (package / "labels.nii.gz").write_bytes(labels.read_bytes())
    facts = folder / "site" / "TotalSegmentator-0.0.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: TotalSegmentator\nVersion: 0.0\n")
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return folder


def make_weights(folder: Path, resolution_mm: float = 3.0) -> Path:
    """A folder laid out as the engine's weights are, without any weights in it."""
    for network, trainer in NETWORKS[resolution_mm].items():
        for name in FILES:
            path = folder / network / f"{trainer}__nnUNetPlans__3d_fullres" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".json":
                path.write_text("{}")
            else:
                with zipfile.ZipFile(path, "w") as checkpoint:
                    checkpoint.writestr("archive/data.pkl", b"")
    return folder


def package_of(environment: Path) -> Path:
    """The double's package, where it leaves what it was asked."""
    return environment / "site" / "totalsegmentator"
