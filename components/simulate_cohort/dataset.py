"""The data set a model is trained on: pinned by data.dvc, pulled or regenerated, and checked against the pin.

DVC owns the hash. A fresh checkout without a remote has only the pin, so the list of file digests
(`.dvc/pinned_files.txt`, made with the pin) is what names the first file that differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import yaml

from components.simulate_cohort.params import SimulateParams
from models.errors import InputError, OsteoGateError, ParameterError, ServiceUnavailableError

PIN = "data.dvc"
FILE_LIST = ".dvc/pinned_files.txt"
DIGEST_DIGITS = 8  # enough to name a differing file; DVC's full md5 decides
SCHEMA_VERSION = 1
COHORT_FOLDER = "a cohort folder holds cohort.json, dxa.csv and series/"

log = structlog.get_logger()
Progress = Callable[[int, int], None]


class DataChangedError(ParameterError):
    """The data set is not the one that data.dvc pins."""


class PinError(ParameterError):
    """data.dvc is missing or not what `dvc add data` writes."""


class CohortError(InputError):
    """A folder is not a cohort: cohort.json or dxa.csv is missing or unreadable."""


class RemoteError(ServiceUnavailableError):
    """The configured DVC remote did not give the data."""


class DvcError(OsteoGateError):
    """DVC itself failed; its last line is quoted."""


@dataclass(frozen=True)
class Dataset:
    """An obtained data set.

    Attributes
    ----------
    version
        DVC's hash of the folder (`outs[0].md5`), or the content hash of a site's own cohort.
    kind
        simulated or site.
    source
        present, pulled, regenerated or site.
    """

    path: Path
    version: str
    kind: str
    source: str
    patients: int


def pinned_version(root: Path) -> str:
    """The hash in data.dvc.

    Raises
    ------
    PinError
        When the file is missing or holds no hash.
    """
    pin = root / PIN
    try:
        document = yaml.safe_load(pin.read_text())
        version: str = document["outs"][0]["md5"]
    except FileNotFoundError as error:
        raise PinError(f"{pin}: missing; pin a data set with: osteogate run --accept-changed-data") from error
    except (yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise PinError(f"{pin}: not a DVC file with one hashed output; restore it from git") from error
    return version


def refuse_other_cohort(root: Path, params: SimulateParams) -> None:
    """Refuse parameters of another cohort than the pinned one; looks at the pin only, so it takes no time.

    Raises
    ------
    PinError, DataChangedError
        There is no pin, or it was made with other parameters.
    """
    pinned_version(root)
    if _pinned_recipe(root) not in (None, _recipe(params)):
        raise DataChangedError(
            "params.yaml, simulate: not the values that data.dvc was made with; put them back, or make and pin "
            "the new cohort with --accept-changed-data"
        )


def obtain(
    root: Path, params: SimulateParams, *, accept_changed: bool = False, progress: Progress | None = None
) -> Dataset:
    """Bring the pinned data set to `root/data` and check it.

    Raises
    ------
    DataChangedError
        When what is there, or was regenerated, differs from the pin (names the first differing file), or when
        params.yaml asks for another cohort than the pinned one.
    """
    data = root / "data"
    if not accept_changed:
        refuse_other_cohort(root, params)  # before minutes go into data that cannot be compared
    pinned = (root / PIN).is_file()
    other = pinned and _pinned_recipe(root) not in (None, _recipe(params))
    source = "present"
    if pinned and not other and _has_remote(root):
        source = "pulled"
        _pull(root)
    elif other or not data.is_dir():
        source = "regenerated"
        # here: a command that only looks at a cohort starts in half the time
        from components.simulate_cohort.simulate import simulate_cohort

        simulate_cohort(
            patients=params.patients,
            seed=params.seed,
            out=data,
            params=params,
            overwrite=other,
            progress=progress,
        )
    if not pinned:
        pin_dataset(root, params)
    elif _differs(root):
        if not accept_changed:
            raise DataChangedError(
                f"data/ differs from data.dvc, first at {first_difference(root)}; restore it (remove data/ and run "
                "again), or pin the new data with --accept-changed-data"
            )
        pin_dataset(root, params)
    card = read_card(data)
    return Dataset(data, pinned_version(root), str(card["kind"]), source, int(str(card["patients"])))


def pin_dataset(root: Path, params: SimulateParams) -> str:
    """Pin `root/data` anew: data.dvc through DVC, and the list of file digests."""
    _dvc(root, "add", "--quiet", "data")
    pin = root / PIN
    document = yaml.safe_load(pin.read_text())
    document["meta"] = {
        "kind": "simulated",
        "generator": f"osteogate simulate --patients {params.patients} --seed {params.seed}",
        "seed": params.seed,
        "recipe": _recipe(params),
    }
    _write(pin, yaml.safe_dump(document, sort_keys=False))
    _write(root / FILE_LIST, "".join(f"{line}\n" for line in _file_list(root / "data")))
    version = pinned_version(root)
    log.info("data set pinned", version=version)
    return version


def first_difference(root: Path) -> str:
    """First file of `root/data`, in path order, whose digest differs from the pinned list, with what differs."""
    listed = root / FILE_LIST
    pinned = dict(_parse_list(listed.read_text().splitlines())) if listed.is_file() else {}
    present = dict(_parse_list(_file_list(root / "data")))
    for name in sorted(pinned.keys() | present.keys()):
        if name not in present:
            return f"data/{name} (missing)"
        if name not in pinned:
            return f"data/{name} (not pinned)"
        if pinned[name] != present[name]:
            return f"data/{name} (content)"
    return "no file that the digest list knows (compare with: dvc diff)"


def open_site_cohort(folder: Path) -> Dataset:
    """A site's own cohort; its version is a hash of every file's path and content."""
    card = read_card(folder)
    digest = hashlib.sha256()
    for line in _file_list(folder):
        digest.update(f"{line}\n".encode())
    return Dataset(
        folder, digest.hexdigest()[:32], str(card["kind"]), "site", int(str(card.get("patients", 0)))
    )


def read_card(folder: Path) -> dict[str, object]:
    """cohort.json, checked.

    Raises
    ------
    CohortError
        Naming what is missing or wrong.
    """
    path = folder / "cohort.json"
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CohortError(f"{path}: missing; {COHORT_FOLDER}") from error
    except (OSError, ValueError) as error:
        raise CohortError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(card, dict) or card.get("schema_version") != SCHEMA_VERSION:
        raise CohortError(f"{path}: schema_version must be {SCHEMA_VERSION}")
    if card.get("kind") not in ("simulated", "site"):
        raise CohortError(f"{path}: kind {card.get('kind')!r}; accepted: simulated, site")
    if not (folder / "dxa.csv").is_file():
        raise CohortError(f"{folder / 'dxa.csv'}: missing; {COHORT_FOLDER}")
    return {"patients": 0, **card}


def _file_list(data: Path) -> list[str]:
    """One line a folder: its path, then `name:digest` of each file, in order."""
    lines = []
    for folder, subfolders, names in os.walk(data):
        subfolders.sort()
        entries = [f"{name}:{_digest(Path(folder) / name)}" for name in sorted(names)]
        if entries:
            lines.append(f"{Path(folder).relative_to(data).as_posix()} {' '.join(entries)}")
    return lines


def _parse_list(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        folder, *entries = line.split(" ")
        for entry in entries:
            name, digest = entry.rsplit(":", 1)
            yield (name if folder == "." else f"{folder}/{name}"), digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()[:DIGEST_DIGITS]


def _has_remote(root: Path) -> bool:
    return bool(_dvc(root, "remote", "list").strip())


def _pull(root: Path) -> None:
    try:
        _dvc(root, "pull", "--quiet", PIN)
    except DvcError as error:
        raise RemoteError(f"DVC remote: {error}; check `dvc remote list` and its credentials") from error


def _differs(root: Path) -> bool:
    """Whether the files' own hash is another than the pinned one.

    Not `dvc status`: in a fresh checkout the cache is empty, and it then says 'not in cache' of files that agree.
    """
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        (output,) = repo.find_outs_by_path(str(root / "data"))
        return bool(output.workspace_status())


def _recipe(params: SimulateParams) -> str:
    return hashlib.sha256(params.model_dump_json().encode()).hexdigest()[:16]


def _pinned_recipe(root: Path) -> str | None:
    """The recipe beside the pin; None in a pin that says nothing of it (written by DVC itself)."""
    document = yaml.safe_load((root / PIN).read_text())
    meta = document.get("meta") if isinstance(document, dict) else None
    recipe = meta.get("recipe") if isinstance(meta, dict) else None
    return None if recipe is None else str(recipe)


def _dvc(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise DvcError(f"dvc {' '.join(words)}: {lines[-1]}")
    return done.stdout


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
