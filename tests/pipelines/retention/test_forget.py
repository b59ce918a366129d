"""One patient's request: what is held is found and goes, what must stay is named, other patients lose nothing."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.ingest_dicom.locations import read_locations
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.run import run as ingest
from components.ingest_dicom.series_table import read_series_table
from components.ingest_dicom.shards import Shard
from models.crop_store import open_crop_store
from models.errors import ParameterError
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import PredictionRow, Source
from pipelines.retention import forget as forgetting
from pipelines.retention.carry_out import DELETIONS_FILE
from pipelines.retention.forget import account_of, forget
from pipelines.retention.traces import Trace
from pipelines.workspace import Workspace
from tests.command_line import osteogate
from tests.crop_store_factory import make_store
from tests.dicom_factory import UID_ROOT, make_segmentation, make_series

LEAVER, STAYER = "LEAVER-4711", "STAYER-0815"
KEY, OLD_KEY = b"0123456789abcdef-new", b"0123456789abcdef-old"


class Hospital(NamedTuple):
    workspace: Workspace
    leaver: str  # keyed hashes
    stayer: str
    study: str
    output: Path  # of ingest
    store: Path


@pytest.fixture
def hospital(workspace: Workspace, tmp_path: Path) -> Hospital:
    """A cohort of two patients, ingested; a crop store, tables, pages, answers and a model that hold both."""
    home, data, key = workspace.home, tmp_path / "cohort", Pseudonymiser(KEY)
    (home / "keys").mkdir()
    (home / "keys" / "site.key").write_bytes(KEY)
    (home / "keys" / "site.key.v1").write_bytes(OLD_KEY)
    make_series(data / "series" / LEAVER, series=1, study=1, patient_id=LEAVER, slices=4)
    make_series(data / "series" / STAYER, series=2, study=2, patient_id=STAYER, slices=3)
    make_segmentation(data / "series" / LEAVER / "seg.dcm", series=1, study=1)
    (data / "series" / "unread.bin").write_bytes(b"no DICOM")
    kfp = home / "kfp" / "osteogate-2026-01-01-00-00-00-000000"
    output = kfp / "ingest-dicom" / "intake"
    ingest(
        data=data, out=output, key=KEY, params=IngestParams(workers=1), identity=home / "intake" / ("a" * 32)
    )
    leaver, stayer = key.patient(LEAVER), key.patient(STAYER)
    validated = kfp / "validate-dicom" / "validated"
    (validated / "data_docs").mkdir(parents=True)
    rows = {"patient": [leaver, stayer], "series": [key.uid(f"{UID_ROOT}.2.1"), "x"], "code": "GANTRY_TILT"}
    pd.DataFrame(rows).to_parquet(validated / "quarantine.parquet", index=False)
    (validated / "data_docs" / "index.html").write_text(f"<p>{leaver}</p><p>{stayer}</p><p>{leaver}</p>")
    store = kfp / "prepare-vertebrae" / "store" / "crops"
    make_store(store, patients=3, pixels=8)
    index = pd.read_parquet(store / "index.parquet")
    first, second, _ = index["patient"].unique()
    index["patient"] = index["patient"].replace({first: leaver, second: stayer})
    index.to_parquet(store / "index.parquet", index=False)
    pages = (store.parent / "contact_sheet.png", store.parent / "contact_sheet_002.png")
    for picture in (*pages, validated / "contact_sheet.png"):
        picture.write_bytes(b"\x89PNG")
    model = home / "mlartifacts" / "osteogate" / "r" / "artifacts" / "registered" / "m"
    model.mkdir(parents=True)
    (model / "seen_patients.json").write_text(json.dumps({"schema_version": 1, "patients": [leaver, stayer]}))
    np.savez(
        model / "golden.npz", crops=open_crop_store(store).hu[index["patient"].isin([leaver, stayer])][::6]
    )
    cache = home / "kfp" / "cache"
    cache.mkdir()
    (cache / "a.json").write_text(json.dumps({"intake": {"uri": str(output)}}))
    (cache / "b.json").write_text(json.dumps({"model": {"uri": str(kfp / "train-resnet50" / "model")}}))
    study = key.uid(f"{UID_ROOT}.1.1")
    PredictionLog(workspace.prediction_log_url).append(
        PredictionRow(timestamp=datetime.now(UTC), study=name, vendor="GE", flag=True, model_version="1",
                      source=Source.PREDICT, data_kind="site")
        for name in (study, key.uid(f"{UID_ROOT}.1.2"), key.uid("1.2.3"))
    )  # fmt: skip
    return Hospital(workspace, leaver, stayer, study, output, store)


def holders(workspace: Workspace, text: str) -> list[str]:
    """Names of files that hold this text, Parquet read cell by cell."""
    found = []
    for path in sorted(workspace.home.rglob("*")):
        if path.is_file() and "keys" not in path.parts:
            content = (
                str(pq.read_table(path).to_pydict()).encode()
                if path.suffix == ".parquet"
                else path.read_bytes()
            )
            if text.encode() in content:
                found.append(path.name)
    return found


def test_everything_of_the_patient_goes_and_nothing_of_another(hospital: Hospital) -> None:
    workspace = hospital.workspace
    assert sorted(holders(workspace, hospital.leaver)) == [
        "index.html", "index.parquet", "quarantine.parquet", "seen_patients.json", "series.parquet"
    ]  # fmt: skip
    assert holders(workspace, LEAVER) == ["locations.json"]
    of_stayer = holders(workspace, hospital.stayer)
    crops = open_crop_store(hospital.store)
    mine = crops.index["patient"] == hospital.leaver
    others = crops.hu[~mine.to_numpy()].copy()
    account = account_of(workspace, LEAVER)
    assert account.source_file_count == 4
    assert {item.trace for item in account.found} == set(Trace) - {
        Trace.DATABASE,
        Trace.ORIGINALS,
        Trace.PSEUDONYMS,
    }
    by_trace = {item.trace: item for item in account.found}
    assert by_trace[Trace.CROPS].count == int(mine.sum()) == 12
    assert by_trace[Trace.GOLDEN].count == 2
    assert by_trace[Trace.WORDS].count == 2
    assert account.answers == 1
    forget(workspace, account)
    assert holders(workspace, LEAVER) == []
    assert holders(workspace, hospital.leaver) == ["seen_patients.json"]
    assert holders(workspace, hospital.study) == []
    assert holders(workspace, hospital.stayer) == of_stayer
    table = read_series_table(hospital.output / "series.parquet")
    assert list(table["patient"]) == [hospital.stayer]
    located = read_locations(workspace.home / "intake" / ("a" * 32))
    (place,) = located.series.values()
    assert list(located.others.values()) == ["series/unread.bin"], (
        "the segmentation names nobody; its place does"
    )
    assert (place.patient_id, len(place.files)) == (STAYER, 3)
    left = open_crop_store(hospital.store)
    np.testing.assert_array_equal(left.hu, others)
    pd.testing.assert_frame_equal(left.index, crops.index[~mine].reset_index(drop=True))
    assert len(PredictionLog(workspace.prediction_log_url).read()) == 2
    pictures = list(workspace.home.rglob("contact_sheet*.png"))
    assert pictures == [], (
        "a contact sheet does not say whom it shows, so it goes from beside the patient's rows"
    )
    assert [path.name for path in (workspace.home / "kfp" / "cache").iterdir()] == ["b.json"]
    (line,) = (workspace.home / DELETIONS_FILE).read_text().splitlines()
    assert hospital.leaver not in line
    assert LEAVER not in line
    assert json.loads(line)["crops"] == 12
    again = account_of(workspace, LEAVER)
    assert {item.trace for item in again.found} == {Trace.MODEL}


def test_a_hash_of_a_key_that_was_replaced_is_found_too(hospital: Hospital) -> None:
    page = hospital.workspace.home / "old.html"
    page.write_text(Pseudonymiser(OLD_KEY).patient(LEAVER))
    forget(hospital.workspace, account_of(hospital.workspace, LEAVER))
    assert page.read_text() == "0" * 16


def test_an_answer_to_a_study_that_was_never_ingested_is_found_by_its_uid(hospital: Hospital) -> None:
    assert account_of(hospital.workspace, "SOMEBODY").answers == 0
    account = account_of(hospital.workspace, "SOMEBODY", ("1.2.3",))
    assert account.answers == 1
    forget(hospital.workspace, account)
    assert len(PredictionLog(hospital.workspace.prediction_log_url).read()) == 2


@pytest.mark.parametrize("stage", ["_blank", "_without_crops", "_without_rows", "_without_places"])
def test_what_a_crash_broke_off_the_same_call_ends(
    hospital: Hospital, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, stage, killed)
        with pytest.raises(KeyboardInterrupt):
            forget(hospital.workspace, account_of(hospital.workspace, LEAVER))
    forget(hospital.workspace, account_of(hospital.workspace, LEAVER))
    assert holders(hospital.workspace, LEAVER) == []
    assert holders(hospital.workspace, hospital.leaver) == ["seen_patients.json"]
    assert holders(hospital.workspace, hospital.study) == []


def test_a_damaged_intake_stops_it_before_anything_goes(hospital: Hospital) -> None:
    (hospital.workspace.home / "intake" / ("a" * 32) / "locations.json").write_text("{")
    with pytest.raises(ParameterError, match="whom it names is not known"):
        account_of(hospital.workspace, LEAVER)


def test_an_empty_patient_id_is_refused(hospital: Hospital) -> None:
    with pytest.raises(ParameterError, match="PatientID: found nothing"):
        account_of(hospital.workspace, "  ")


def test_the_command_lists_first_and_says_what_stays(hospital: Hospital) -> None:
    where = {"home": hospital.workspace.home, "root": hospital.workspace.root}
    said = osteogate("forget", LEAVER, "--json", **where)
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    assert (document["applied"], document["goes"]["crops"]) == (False, 12)
    assert "retrain" in " ".join(document["stays"])
    assert "golden set" in " ".join(document["stays"])
    assert "4 CT files of the patient" in document["elsewhere"][0]
    assert holders(hospital.workspace, LEAVER) == ["locations.json"]
    assert LEAVER not in said.stdout + said.stderr
    done = osteogate("forget", LEAVER, "--apply", **where)
    assert done.returncode == 0, done.stderr
    assert "deleted: crops: 12" in done.stdout
    shutil.rmtree(hospital.workspace.home / "mlartifacts")
    assert "nothing is held of this patient here" in osteogate("forget", LEAVER, **where).stdout


def test_a_patient_is_forgotten_in_the_shards_too(hospital: Hospital, tmp_path: Path) -> None:
    home = hospital.workspace.home
    kfp = hospital.output.parents[1]
    shards = [Shard(number, 4) for number in range(4)]
    outputs = [kfp / f"for-loop-2-iteration-{one.number}" / "ingest-shard" / "intake" for one in shards]
    for one, output in zip(shards, outputs, strict=True):
        ingest(
            data=tmp_path / "cohort", out=output, key=KEY, params=IngestParams(workers=1), shard=one,
            identity=one.identity(home / "intake" / ("a" * 32)),
        )  # fmt: skip
        entry = home / "kfp" / "cache" / f"shard-{one}.json"
        entry.write_text(json.dumps({"intake": {"uri": str(output)}}))
    places = {one: one.identity(home / "intake" / ("a" * 32)) / "locations.json" for one in shards}
    theirs = {one for one in shards if LEAVER in places[one].read_text()}
    assert 0 < len(theirs) < 4
    account = account_of(hospital.workspace, LEAVER)
    assert account.source_file_count == 4
    forget(hospital.workspace, account)
    assert not holders(hospital.workspace, LEAVER)
    assert not set(holders(hospital.workspace, hospital.leaver)) - {"seen_patients.json"}
    kept = {path.name for path in (home / "kfp" / "cache").glob("shard-*.json")}
    assert kept == {f"shard-{one}.json" for one in shards if one not in theirs}, "the others are reused"
    names = "".join(path.read_text() for path in home.rglob("locations.json"))
    assert names.count(f'"patient_id": "{STAYER}"') == 2
