"""A finished model judged on other data: by its own frozen rules, and never on patients it has seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.evaluate_model.judge import AllSeenError, RulesMissingError, judge
from components.evaluate_model.run import EvaluationWriteError, run
from models.artefact import save_model
from models.bone_reference import ScalesParams
from models.crop_store import open_crop_store
from models.decision import read_rules
from models.evaluation.report_file import EvaluationReport, read_report
from models.evaluation.settings import EvaluateParams
from models.params import load_section
from models.prediction import GeometryMismatchError
from models.seen_patients import SeenPatientsError, write_seen_patients
from models.train_params import TrainParams
from models.training import fit
from tests.crop_store_factory import make_store

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
SPLITS = (
    "train", "test", "train", "calibration", "train", "validation", "test", "calibration", "test", "train",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, judged on its own `store` into `own`, with its decision.json beside the weights as registered."""
    home = tmp_path_factory.mktemp("judge")
    store = make_store(home / "store", patients=70, offsets_mm=(0.0,), split_of_ten=SPLITS)
    params = TrainParams(arch="resnet18", epochs=1, batch=16, precision="fp32", device="cpu", threads=1)
    save_model(fit(store, params), home / "model", git_commit="0123abc")
    write_seen_patients(store.index, home / "model")
    run(model=home / "model", store=home / "store", out=home / "own", params=PARAMS, scales=SCALES)
    shutil.copy(home / "own" / "decision.json", home / "model" / "decision.json")
    return home


def _judge(home: Path, store: Path, out: Path, **changed: object) -> EvaluationReport:
    arguments = {"model": home / "model", "version": "m", "params": PARAMS, "scales": SCALES, **changed}
    return judge(store=store, out=out, **arguments)  # type: ignore[arg-type]


def _stranger(folder: Path, seed: int = 5) -> Path:
    """Patients whom the model has not seen, all of them test patients, of another site's naming."""
    make_store(
        folder, patients=24, seed=seed, offsets_mm=(0.0,), split_of_ten=("test",) * 10, data_version="other"
    )
    index = pd.read_parquet(folder / "index.parquet")
    index["patient"] = "x" + index["patient"]
    index.to_parquet(folder / "index.parquet", index=False)
    return folder


def test_a_store_without_calibration_patients_is_judged_at_the_models_own_cutoffs(
    home: Path, tmp_path: Path
) -> None:
    report = _judge(home, _stranger(tmp_path / "store"), tmp_path / "out")
    rules = read_rules(home / "model" / "decision.json")
    assert report.counts.judged_patients["test"] == 24
    assert report.frozen.patient["osteopenia"].value == rules.cutoffs.osteopenia_bmd_g_cm2
    assert report.frozen.patient["impaired_tbs"].value == rules.cutoffs.impaired_tbs
    assert report.frozen.bmd_half_width_g_cm2 == rules.bmd_half_width_g_cm2
    assert read_rules(tmp_path / "out" / "decision.json") == rules
    assert read_report(tmp_path / "out" / "report.json") == report
    assert any("none was chosen on this data" in note for note in report.notes)


def test_on_its_own_store_the_same_patients_get_the_same_figures(home: Path, tmp_path: Path) -> None:
    own, again = read_report(home / "own" / "report.json"), _judge(home, home / "store", tmp_path / "out")
    assert again.test_set_sha256 == own.test_set_sha256
    for name in ("bmd.pearson_r", "tbs.mae", "osteoporosis.sensitivity"):
        assert again.patient[name].value == own.patient[name].value


def test_patients_whom_the_model_has_seen_are_left_out_and_counted(home: Path, tmp_path: Path) -> None:
    """A cohort of all 70, as one who does not know the split would bring it: only the 21 unseen are judged."""
    shutil.copytree(home / "store", tmp_path / "all")
    index = pd.read_parquet(tmp_path / "all" / "index.parquet")
    index.assign(split="test").to_parquet(tmp_path / "all" / "index.parquet", index=False)
    report = _judge(home, tmp_path / "all", tmp_path / "out")
    assert report.counts.judged_patients["test"] == 21
    assert report.test_set_sha256 == read_report(home / "own" / "report.json").test_set_sha256
    counts = report.counts
    assert counts.excluded["seen by the model in training or calibration"] == 49
    assert counts.patients["test"] == 70 == counts.judged_patients["test"] + sum(counts.excluded.values())
    assert (counts.vertebrae["test"], counts.crops["test"]) == (280, 280)


def test_whom_a_model_without_a_list_has_seen_is_unknown_and_not_nobody(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "model", tmp_path / "model")
    (tmp_path / "model" / "seen_patients.json").unlink()
    report = _judge(home, _stranger(tmp_path / "store"), tmp_path / "out", model=tmp_path / "model")
    assert "seen by the model in training or calibration" not in report.counts.excluded
    page = (tmp_path / "out" / "report.html").read_text()
    assert "seen by the model in training or calibration: unknown" in page
    assert "seen by the model in training or calibration: 0" not in page


def test_without_a_list_nobody_says_that_they_are_other_patients(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "model", tmp_path / "model")
    (tmp_path / "model" / "seen_patients.json").unlink()
    unknown = _judge(home, home / "store", tmp_path / "a", model=tmp_path / "model")
    known = _judge(home, home / "store", tmp_path / "b")
    assert not any("other patients of this very data set" in note for note in unknown.notes)
    assert any("whether on these patients is unknown" in note for note in unknown.notes)
    assert any("other patients of this very data set" in note for note in known.notes)


def test_an_evaluation_that_cannot_be_written_is_no_look(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = tmp_path / "looks.jsonl"
    with pytest.raises(EvaluationWriteError, match="Not a directory"):
        _judge(home, home / "store", tmp_path / "file" / "out", look_log=log)
    assert not log.exists()


def test_a_store_of_seen_patients_only_is_refused(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "store", tmp_path / "seen")
    index = pd.read_parquet(tmp_path / "seen" / "index.parquet")
    index["split"] = index["split"].map(lambda split: "test" if split == "train" else "validation")
    index.to_parquet(tmp_path / "seen" / "index.parquet", index=False)
    with pytest.raises(AllSeenError, match="all 28 patients"):
        _judge(home, tmp_path / "seen", tmp_path / "out")


@pytest.mark.long
def test_looks_are_counted_by_the_patients_looked_at(home: Path, tmp_path: Path) -> None:
    store, log = _stranger(tmp_path / "store"), tmp_path / "looks.jsonl"
    first = _judge(home, store, tmp_path / "a", look_log=log)
    second = _judge(home, store, tmp_path / "b", look_log=log)
    other = _judge(home, home / "store", tmp_path / "c", look_log=log)
    fewer = tmp_path / "fewer"  # another data set that shares patients with the first
    shutil.copytree(store, fewer)
    header = json.loads((fewer / "store.json").read_text())
    (fewer / "store.json").write_text(json.dumps({**header, "data_version": "grown"}))
    index = pd.read_parquet(fewer / "index.parquet")
    index.loc[index["patient"] == index["patient"].iloc[0], "split"] = "validation"
    index.to_parquet(fewer / "index.parquet", index=False)
    shared = _judge(home, fewer, tmp_path / "d", look_log=log)
    assert [report.test_looks for report in (first, second, other, shared)] == [1, 2, 1, 3]


def test_without_rules_or_with_those_of_other_weights_nothing_is_judged(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "model", tmp_path / "model")
    rules = tmp_path / "model" / "decision.json"
    document = json.loads(rules.read_text())
    document["versions"]["model"] = "f" * 64
    rules.write_text(json.dumps(document))
    with pytest.raises(RulesMissingError, match="frozen for weights ffffffffffff"):
        _judge(home, home / "store", tmp_path / "out", model=tmp_path / "model")
    rules.unlink()
    with pytest.raises(RulesMissingError, match=r"decision\.json: missing"):
        _judge(home, home / "store", tmp_path / "out", model=tmp_path / "model")
    assert not (tmp_path / "out").exists()


def test_crops_of_another_shape_and_a_damaged_list_are_refused(home: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "wide", patients=10, pixels=48, split_of_ten=("test",) * 10)
    index = open_crop_store(tmp_path / "wide").index
    index.assign(patient="y" + index["patient"]).to_parquet(tmp_path / "wide" / "index.parquet", index=False)
    with pytest.raises(GeometryMismatchError, match="pixels=48"):
        _judge(home, tmp_path / "wide", tmp_path / "out")
    shutil.copytree(home / "model", tmp_path / "model")
    (tmp_path / "model" / "seen_patients.json").write_text("[]")
    with pytest.raises(SeenPatientsError, match="not a list of seen patients"):
        _judge(home, home / "store", tmp_path / "out", model=tmp_path / "model")
