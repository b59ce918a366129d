"""A version is in the repository complete or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.deploy_triton import repository
from components.deploy_triton.errors import RepositoryError
from components.deploy_triton.params import DeployParams
from models.decision import (
    Cutoffs,
    DecisionRules,
    Geometry,
    Reference,
    Versions,
    write_rules,
)

PARAMS = DeployParams()


def make_bundle(folder: Path, content: bytes = b"graph", pixels: int = 96) -> Path:
    folder.mkdir()
    for name in repository.SERVED_FILES:
        (folder / name).write_bytes(content)
    rules = DecisionRules(
        schema_version=1,
        data_kind="simulated",
        cutoffs=Cutoffs(0.9, 0.8, 1.3),
        flag_on=("osteoporosis",),
        bmd_half_width_g_cm2=0.1,
        tbs_half_width=0.1,
        interval_coverage=0.9,
        reference=Reference("test", 1.047, 0.11, -1.0, -2.5, 1.31),
        geometry=Geometry(pixels, 64.0, 3, 2.0, 6.0),
        versions=Versions("d", "c", "p", "m"),
        vendors=("GE",),
        kvp_minimum=80.0,
        kvp_maximum=140.0,
    )
    write_rules(rules, folder / "decision.json")
    return folder


def test_published_version_is_whole_and_configured_for_its_crops(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    folder = repository.publish(root, "osteogate", 3, make_bundle(tmp_path / "b", pixels=128), PARAMS)
    assert {path.name for path in folder.iterdir()} == set(repository.SERVED_FILES)
    config = (root / "osteogate" / "config.pbtxt").read_text()
    assert 'name: "osteogate"' in config
    assert 'backend: "onnxruntime"' in config
    assert "dims: [ 3, 128, 128 ]" in config
    assert "max_queue_size: 64" in config
    assert "default_timeout_microseconds: 10000000" in config  # 10,000 ms
    assert "kind" not in config  # named, it would bind the model to GPU or CPU
    assert "$" not in config
    assert repository.versions(root, "osteogate") == [3]


def test_interrupted_publication_leaves_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repository"
    repository.publish(root, "osteogate", 1, make_bundle(tmp_path / "first"), PARAMS)
    copied = 0

    def full_disk(source: Path, target: Path) -> None:
        nonlocal copied
        copied += 1
        if copied == 3:
            raise OSError(28, "No space left on device")
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(shutil, "copyfile", full_disk)
    with pytest.raises(RepositoryError, match="No space left on device"):
        repository.publish(root, "osteogate", 2, make_bundle(tmp_path / "second"), PARAMS)
    assert repository.versions(root, "osteogate") == [1]
    assert sorted(path.name for path in (root / "osteogate").iterdir()) == ["1", "config.pbtxt"]


def test_published_version_never_changes(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    bundle = make_bundle(tmp_path / "b")
    repository.publish(root, "osteogate", 1, bundle, PARAMS)
    repository.publish(root, "osteogate", 1, bundle, PARAMS)  # the same again is no error
    with pytest.raises(RepositoryError, match="other content"):
        repository.publish(root, "osteogate", 1, make_bundle(tmp_path / "c", b"else"), PARAMS)


def test_unchanged_configuration_is_not_touched(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    repository.publish(root, "osteogate", 1, make_bundle(tmp_path / "b"), PARAMS)
    config = root / "osteogate" / "config.pbtxt"
    before = config.stat().st_mtime_ns
    repository.publish(root, "osteogate", 2, make_bundle(tmp_path / "c", b"else"), PARAMS)
    assert config.stat().st_mtime_ns == before  # a touched one makes Triton load every version again


def test_bundle_without_rules_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    (bundle / "decision.json").unlink()
    with pytest.raises(RepositoryError, match=r"decision\.json missing"):
        repository.publish(tmp_path / "repository", "osteogate", 1, bundle, PARAMS)


def test_removed_version_goes_and_others_stay(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    for version in (9, 10):
        bundle = make_bundle(tmp_path / f"b{version}", str(version).encode())
        repository.publish(root, "osteogate", version, bundle, PARAMS)
    repository.remove(root, "osteogate", 10)
    repository.remove(root, "osteogate", 11)  # never there
    assert repository.versions(root, "osteogate") == [9]
