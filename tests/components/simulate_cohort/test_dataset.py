"""The pin: agreement is judged by the files, in a fresh checkout too; another recipe is never passed over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.simulate_cohort import dataset
from components.simulate_cohort.dataset import DataChangedError, PinError, RemoteError, obtain, pin_dataset
from components.simulate_cohort.params import SimulateParams
from models.params import load_section

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def params() -> SimulateParams:
    return load_section(ROOT / "params.yaml", "simulate", SimulateParams)


def write_data(root: Path, dxa: str = "patient_id\n") -> None:
    (root / "data" / "series").mkdir(parents=True)
    (root / "data" / "series" / "a").write_text("pixels")
    (root / "data" / "dxa.csv").write_text(dxa)
    (root / "data" / "cohort.json").write_text('{"schema_version": 1, "kind": "simulated", "patients": 3}')


def checkout(root: Path) -> Path:
    root.mkdir()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def pinned(params: SimulateParams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = checkout(tmp_path_factory.mktemp("pin") / "a")
    write_data(root)
    pin_dataset(root, params)
    return root


@pytest.fixture
def fresh(pinned: Path, tmp_path: Path) -> Path:
    """Another checkout: the pin and the digest list, and an empty DVC cache."""
    root = checkout(tmp_path / "fresh")
    for name in (dataset.PIN, dataset.FILE_LIST):
        shutil.copy(pinned / name, root / name)
    return root


def test_the_same_data_agree_in_a_fresh_checkout_and_other_data_are_named(
    fresh: Path, params: SimulateParams
) -> None:
    write_data(fresh)
    found = obtain(fresh, params)
    assert (found.kind, found.source, found.patients) == ("simulated", "present", 3)
    assert found.version == dataset.pinned_version(fresh)
    (fresh / "data" / "dxa.csv").write_text("patient_id,\n")
    with pytest.raises(DataChangedError, match=r"first at data/dxa.csv \(content\)"):
        obtain(fresh, params)


def test_data_regenerated_otherwise_stop_the_run_or_are_pinned_anew(
    fresh: Path, params: SimulateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "components.simulate_cohort.simulate.simulate_cohort", lambda **_: write_data(fresh, "other\n")
    )
    before = dataset.pinned_version(fresh)
    with pytest.raises(DataChangedError, match=r"data/dxa.csv"):
        obtain(fresh, params)
    assert dataset.pinned_version(fresh) == before
    assert obtain(fresh, params, accept_changed=True).version != before
    assert obtain(fresh, params).source == "present"


def test_parameters_of_another_cohort_are_not_passed_over(
    fresh: Path, params: SimulateParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(fresh)
    more = params.model_copy(update={"patients": params.patients + 1})
    with pytest.raises(DataChangedError, match=r"params.yaml, simulate"):
        obtain(fresh, more)
    made: list[dict[str, object]] = []
    monkeypatch.setattr("components.simulate_cohort.simulate.simulate_cohort", lambda **how: made.append(how))
    obtain(fresh, more, accept_changed=True)
    assert (made[0]["patients"], made[0]["overwrite"]) == (params.patients + 1, True)


def test_without_a_pin_nothing_is_made(
    params: SimulateParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "components.simulate_cohort.simulate.simulate_cohort", lambda **_: pytest.fail("made")
    )
    with pytest.raises(PinError, match="--accept-changed-data"):
        obtain(checkout(tmp_path / "bare"), params)


def test_a_configured_remote_is_pulled_from_and_its_absence_is_said(
    pinned: Path, fresh: Path, params: SimulateParams, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    for root in (pinned, fresh):
        subprocess.run(
            [sys.executable, "-m", "dvc", "remote", "add", "-q", "-f", "-d", "store", str(remote)],
            cwd=root,
            check=True,
        )
    try:
        with pytest.raises(RemoteError, match="dvc remote list"):
            obtain(fresh, params)
        subprocess.run([sys.executable, "-m", "dvc", "push", "-q"], cwd=pinned, check=True)
        found = obtain(fresh, params)
    finally:
        subprocess.run(
            [sys.executable, "-m", "dvc", "remote", "remove", "-q", "store"], cwd=pinned, check=True
        )
    assert found.source == "pulled"
    assert (fresh / "data/series/a").read_text() == "pixels"


def test_the_recipe_does_not_follow_the_order_in_which_a_file_names_things(params: SimulateParams) -> None:
    document = params.model_dump(mode="json")
    for name in ("vendor_mix", "defects"):
        document[name] = dict(reversed(document[name].items()))
    turned = SimulateParams.model_validate(document)
    assert turned.model_dump_json() == params.model_dump_json()
    pinned = yaml.safe_load((ROOT / dataset.PIN).read_text())["meta"]["recipe"]
    assert pinned == dataset._recipe(turned), "data.dvc was made with other values than params.yaml names"
