"""Replacing the site's key: nothing is lost, and what no longer fits together is refused, not mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.evaluate_model.look_log import note_look
from components.ingest_dicom.locations import FILE_NAME, Locations, SeriesLocation, write_locations
from components.ingest_dicom.pseudonym import Pseudonymiser, PseudonymKeyError, read_key
from models.crop_store import open_crop_store
from models.seen_patients import SeenPatientsError, refuse_other_key
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import PredictionRow, Source
from pipelines.intake_record import record_of
from pipelines.key_rotation import rotate_key
from pipelines.site_key import RetiredKeyError, ensure_site_key, refuse_retired_key
from pipelines.workspace import Workspace
from tests.crop_store_factory import make_store


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    place = Workspace(root=tmp_path, home=tmp_path / "home")
    ensure_site_key(place.site_key)
    (place.home / "intake" / "v1").mkdir(parents=True)
    located = {f"s{name}": SeriesLocation((), None, (), name, "1.2") for name in ("ANNA", "BERTA")}
    write_locations(Locations(series=located, others={}), place.home / "intake" / "v1" / FILE_NAME)
    return place


def test_the_old_key_is_kept_and_hashes_say_which_key_made_them(workspace: Workspace) -> None:
    old = Pseudonymiser(read_key(workspace.site_key))
    done = rotate_key(workspace)
    new = Pseudonymiser(read_key(workspace.site_key))
    assert (old.version, new.version, done.version) == (1, 2, 2)
    assert read_key(done.retired) == old.key
    assert workspace.site_key.stat().st_mode & 0o077 == done.retired.stat().st_mode & 0o077 == 0
    assert new.patient("ANNA").startswith("k2-")
    assert new.patient("ANNA").removeprefix("k2-") != old.patient("ANNA")
    assert new.patient(new.new_patient_id("ANNA")) == new.patient("ANNA")
    assert len(new.new_patient_id("ANNA")) <= 64
    assert rotate_key(workspace).version == 3
    assert sorted(path.name for path in workspace.site_key.parent.iterdir()) == [
        "site.key", "site.key.v1", "site.key.v2",
    ]  # fmt: skip


def test_a_look_before_the_rotation_counts_after_it(workspace: Workspace) -> None:
    old = Pseudonymiser(read_key(workspace.site_key))
    people = [old.patient(name) for name in ("ANNA", "BERTA", "GONE")]
    note_look(workspace.look_log, people, data_version="v1", weights_sha256="a")
    done = rotate_key(workspace)
    assert (done.looks_carried, done.looks_unknown) == (2, 1)
    new = Pseudonymiser(read_key(workspace.site_key))

    def looks(name: str, version: str) -> int:
        return note_look(workspace.look_log, [new.patient(name)], data_version=version, weights_sha256="b")

    assert looks("ANNA", "v2") == 2
    assert looks("GONE", "v3") == 1, "no intake names this patient any more, as the command said"


def test_what_a_rotation_leaves_is_counted_and_a_pseudonym_is_carried_by_the_hospitals_number(
    workspace: Workspace, tmp_path: Path
) -> None:
    old = Pseudonymiser(read_key(workspace.site_key))
    record = record_of(workspace.home, tmp_path / "cohort", old)
    record.begin()
    record.add_patient(old.new_patient_id("CLARA"), "CLARA")
    located = {
        name: SeriesLocation((), None, (), old.new_patient_id(name), "1.2") for name in ("CLARA", "NO RECORD")
    }
    (workspace.home / "intake" / "v2").mkdir()
    write_locations(Locations(series=located, others={}), workspace.home / "intake" / "v2" / FILE_NAME)
    people = [old.patient(name) for name in ("ANNA", "CLARA", "NO RECORD")]
    note_look(workspace.look_log, people, data_version="v1", weights_sha256="a")
    PredictionLog(workspace.prediction_log_url).append(
        PredictionRow(timestamp=datetime.now(UTC), study=old.uid(uid), vendor="GE", flag=True, model_version="1",
                      source=Source.PREDICT, data_kind="site")
        for uid in ("1.2.3", "1.2.4")
    )  # fmt: skip
    done = rotate_key(workspace)
    assert (done.looks_carried, done.looks_unknown) == (2, 1)
    assert (done.answers_left, done.cohorts_left) == (2, (str(tmp_path / "cohort"),))
    assert set(PredictionLog(workspace.prediction_log_url).read()["study"]) == {
        old.uid("1.2.3"),
        old.uid("1.2.4"),
    }
    new = Pseudonymiser(read_key(workspace.site_key))
    looks = note_look(workspace.look_log, [new.patient("CLARA")], data_version="v2", weights_sha256="b")
    assert looks == 2
    assert rotate_key(workspace).cohorts_left == (), "it was left by the first"


def test_an_interrupted_rotation_is_gone_on_with(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_key(workspace.site_key)

    def killed(*_: object) -> tuple[int, int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.key_rotation.carry_to_new_key", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate_key(workspace)
    assert read_key(workspace.site_key) == before
    waiting = read_key(workspace.site_key.with_name(".site.key.next"))
    rotate_key(workspace)
    assert read_key(workspace.site_key) == waiting
    assert not workspace.site_key.with_name(".site.key.next").exists()


def test_a_model_of_the_old_key_is_refused_on_data_of_the_new(tmp_path: Path) -> None:
    make_store(tmp_path / "crops", patients=10, pixels=24, offsets_mm=(0.0,))
    store = open_crop_store(tmp_path / "crops")
    site = replace(store, header=store.header.model_copy(update={"data_kind": "site"}))
    rotated = replace(site, index=site.index.assign(patient="k2-" + site.index["patient"].astype(str)))
    seen = frozenset(site.index["patient"])
    refuse_other_key(site, seen, tmp_path)
    with pytest.raises(SeenPatientsError, match=r"key version 1, the data's with 2.*--without-champion"):
        refuse_other_key(rotated, seen, tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"data_kind": "simulated"}))
    refuse_other_key(rotated, seen, tmp_path)  # phantoms: the model has seen nobody of the site


def test_a_copy_made_with_a_retired_key_is_refused_and_another_sites_is_not(
    workspace: Workspace, tmp_path: Path
) -> None:
    card = tmp_path / "cohort.json"
    made_with = Pseudonymiser(read_key(workspace.site_key)).key_id
    card.write_text(json.dumps({"deidentified_with_key": made_with}))
    refuse_retired_key(tmp_path, workspace.site_key)
    rotate_key(workspace)
    with pytest.raises(RetiredKeyError, match=r"de-identify the originals again.*site\.key\.v1"):
        refuse_retired_key(tmp_path, workspace.site_key)
    card.write_text(json.dumps({"deidentified_with_key": "0123abcd"}))
    refuse_retired_key(tmp_path, workspace.site_key)


def test_a_secret_store_names_the_key_and_none_is_made_up(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTEOGATE_SITE_KEY_FILE", str(tmp_path / "secret"))
    assert workspace.site_key == tmp_path / "secret"
    with pytest.raises(PseudonymKeyError, match="the secret store writes"):
        ensure_site_key(workspace.site_key)
    assert not (tmp_path / "secret").exists()
    (tmp_path / "secret").write_text("a key of the secret store")
    ensure_site_key(workspace.site_key)
    assert read_key(workspace.site_key) == b"a key of the secret store"
