"""Originals on their way in and records of pseudonyms: they have a term, and one patient's request reaches them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.run import run as ingest
from components.ingest_dicom.source import Source
from models.params import load_section
from pipelines.intake_record import record_of
from pipelines.own_cohort import write_template
from pipelines.retention.forget import account_of, forget
from pipelines.retention.params import Kind, RetentionParams
from pipelines.retention.plan import plan_retention
from pipelines.retention.traces import Trace
from pipelines.take_in import TakenIn, take_in
from pipelines.workspace import Workspace
from tests.command_line import ROOT, osteogate
from tests.dicom_factory import make_series
from tests.pipelines.retention.conftest import OLD_DAYS, write

LEAVER, STAYER = "LEAVER-4711", "STAYER-0815"
KEY = Pseudonymiser(b"0123456789abcdef-new")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_series(tmp_path / "source" / LEAVER, slices=4, patient_id=LEAVER)
    make_series(tmp_path / "source" / STAYER, slices=3, series=2, study=2, patient_id=STAYER)
    return tmp_path / "source"


@pytest.fixture
def cohort(workspace: Workspace, tmp_path: Path) -> Path:
    (workspace.home / "keys").mkdir()
    workspace.site_key.write_bytes(KEY.key)
    write_template(tmp_path / "cohort")
    return tmp_path / "cohort"


def _take(source: Path, cohort: Path, workspace: Workspace) -> TakenIn:
    return take_in(
        Source(str(source)),
        cohort,
        pseudonymiser=KEY,
        params=IngestParams(workers=1),
        home=workspace.home,
        progress=lambda *_: None,
    )


def _names(workspace: Workspace, text: str) -> list[str]:
    return sorted(
        path.relative_to(workspace.home).parts[0]
        for path in workspace.home.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


def test_what_an_interrupted_retrieval_left_has_a_term(workspace: Workspace) -> None:
    for name in ("retrieved/0123456789abcdef/a/b.dcm", "scratch/source-xyz/c.dcm"):
        write(workspace.home / name, days=OLD_DAYS)
    for folder in workspace.home.glob("*/*"):
        os.utime(folder, (0, 0))
    young = write(workspace.home / "retrieved" / "fedcba9876543210" / "d.dcm", days=1)
    params = load_section(ROOT / "params.yaml", "retention", RetentionParams)
    plan = plan_retention(workspace, params, period_days=30)
    assert {item.holding.path.name for item in plan.expired} == {"0123456789abcdef", "source-xyz"}
    assert plan.totals[Kind.RETRIEVED] == (3, 3000)
    assert params.retrieved.days is not None
    assert young.is_file()


def test_originals_and_records_of_one_patient_go_and_the_other_keeps_his(
    workspace: Workspace, source: Path, cohort: Path, tmp_path: Path
) -> None:
    _take(source, cohort, workspace)
    identity = workspace.home / "intake" / "deidentified" / "copy.json"
    deidentify_folder(source, tmp_path / "copy", KEY, identity=identity)
    shutil.copytree(source / LEAVER, workspace.home / "retrieved" / "ab12" / "cd34")
    shutil.copytree(source / STAYER, workspace.home / "scratch" / "source-ef" / "gh")
    stayers = _names(workspace, STAYER)
    account = account_of(workspace, LEAVER)
    counts = {item.trace: 0 for item in account.found}
    for item in account.found:
        counts[item.trace] += item.count
    assert counts == {Trace.ORIGINALS: 4, Trace.PSEUDONYMS: 1 + 4}
    assert account.source_folders == (str(cohort),)
    assert account.source_file_count == 4
    forget(workspace, account)
    assert _names(workspace, LEAVER) == []
    assert _names(workspace, KEY.patient(LEAVER)) == []
    assert _names(workspace, STAYER) == stayers
    assert len(json.loads(identity.read_text())) == 3
    assert list(record_of(workspace.home, cohort, KEY).patients.values()) == [STAYER]
    assert not account_of(workspace, LEAVER).held
    assert _take(source / STAYER, cohort, workspace).already_there == 3


def test_a_patient_of_a_deidentified_cohort_is_found_by_the_hospitals_number(
    workspace: Workspace, source: Path, cohort: Path
) -> None:
    _take(source, cohort, workspace)
    version = workspace.home / "intake" / ("a" * 32)
    output = workspace.home / "kfp" / "r" / "ingest-dicom" / "intake"
    ingest(data=cohort, out=output, key=KEY.key, params=IngestParams(workers=1), identity=version)
    assert _names(workspace, LEAVER) == ["intake"], "the record alone; locations.json has the pseudonym"
    account = account_of(workspace, LEAVER)
    assert {item.trace for item in account.found} == {Trace.LOCATIONS, Trace.ROWS, Trace.PSEUDONYMS}
    assert account.source_file_count == 4
    forget(workspace, account)
    assert _names(workspace, KEY.patient(LEAVER)) == []


def test_the_command_names_the_cohort_that_copies_were_put_into(
    workspace: Workspace, source: Path, cohort: Path
) -> None:
    _take(source, cohort, workspace)
    done = osteogate("forget", LEAVER, "--json", home=workspace.home, root=workspace.root)
    assert done.returncode == 0, done.stderr
    assert f"4 CT files of the patient in {cohort}" in json.loads(done.stdout)["elsewhere"][0]
