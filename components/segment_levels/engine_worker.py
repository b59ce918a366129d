"""Runs inside the engine's own environment: one CT in, one label map out. Imports nothing of OsteoGate.

Called by `engine.py` as `python engine_worker.py`, the request as JSON on standard input; the last line of standard
output is the answer as JSON. Without an image in the request it only says whether the engine is usable. The engine
would send usage statistics and download missing weights: both are shut off.
"""

import importlib.metadata
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType


class EngineUnfitError(Exception):
    """This environment's engine is not one that may or can be run."""


class DownloadRefusedError(Exception):
    """The engine asked for weights that the site has not put there."""


def main() -> None:
    """Segment request["image"] into request["labels"], or only check the environment."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as home:
        shut_in(Path(home), request["weights"])
        from totalsegmentator import python_api

        guard_downloads(python_api)
        options = {
            "ml": True,
            "task": "total",
            "fast": request["fast"],
            "roi_subset": request["structures"],
            "device": request["device"],
            "quiet": True,
        }
        if "image" in request:
            labels = python_api.totalsegmentator(request["image"], None, **options)
            labels.to_filename(request["labels"])
        else:
            require_fit(python_api, options)
        answer = {"engine": "TotalSegmentator", "version": importlib.metadata.version("TotalSegmentator")}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def require_fit(python_api: ModuleType, options: dict[str, object]) -> None:
    """Refuse an engine that takes other arguments, whose networks do not load, or that would fall back to the CPU."""
    try:
        inspect.signature(python_api.totalsegmentator).bind("ct.nii.gz", None, **options)
    except TypeError as error:
        raise EngineUnfitError(f"this version of the engine takes other arguments ({error})") from error
    import torch
    from totalsegmentator import nnunet  # noqa: F401  what is imported at the first prediction only

    if options["device"] == "gpu" and not torch.cuda.is_available():
        raise EngineUnfitError(
            "no GPU is visible to the engine; with segment.device: cpu it is slow, and runs"
        )


def shut_in(home: Path, weights: str) -> None:
    """A home of its own for the engine, with statistics off, and the site's weights."""
    os.environ["TOTALSEG_HOME_DIR"] = str(home)
    os.environ["TOTALSEG_WEIGHTS_PATH"] = weights
    for name in (
        "nnUNet_raw",
        "nnUNet_preprocessed",
        "nnUNet_results",
    ):  # nnU-Net looks for them when imported
        os.environ[name] = weights
    config = {
        "totalseg_id": "totalseg_off",
        "send_usage_stats": False,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": True,
    }
    (home / "config.json").write_text(json.dumps(config))


def guard_downloads(python_api: ModuleType) -> None:
    """Put a refusal in place of every function of the engine that fetches something."""
    from totalsegmentator import libs

    for name in ("download_url_and_unpack", "download_model_with_license_and_unpack"):
        if not hasattr(libs, name):
            raise EngineUnfitError(
                f"this version of the engine has no {name} to shut off; see its requirements"
            )
        setattr(libs, name, refuse_download)
    # it also deletes outdated weights: a site's folder is left as it is, and what is needed was checked before
    name = "download_pretrained_weights"
    if not hasattr(python_api, name):
        raise EngineUnfitError(f"this version of the engine has no {name} to shut off")
    setattr(python_api, name, lambda *_: None)


def refuse_download(*_: object, **__: object) -> None:
    """In place of a download."""
    raise DownloadRefusedError("weights are missing, and are never downloaded")


if __name__ == "__main__":
    main()
