"""The step on a real network and a real crop store, small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from components.evaluate_model.look_log import LookLogError
from components.evaluate_model.run import ChampionError, run
from components.gate_promotion.policy import GateParams
from components.gate_promotion.run import run as gate
from models.artefact import ModelArtefactError, file_sha256, load_model, save_model
from models.bone_reference import ScalesParams
from models.decision import decide, read_rules
from models.errors import InputError
from models.evaluation.report_file import read_report
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import PredictionTableError
from models.params import load_section
from models.seen_patients import write_seen_patients
from models.train_params import TrainParams
from models.training import fit
from tests.crop_store_factory import make_store

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
SPLITS = (
    "train", "test", "train", "calibration", "train", "validation", "test", "calibration", "test", "train",
)  # fmt: skip
WRITTEN = ["decision.json", "figures", "model_card.html", "predictions.parquet", "report.html", "report.json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`store` of 70 patients, and `model`, trained on it for one epoch."""
    folder = tmp_path_factory.mktemp("evaluate")
    store = make_store(folder / "store", patients=70, offsets_mm=(0.0,), split_of_ten=SPLITS)
    params = TrainParams(arch="resnet18", epochs=1, batch=16, precision="fp32", device="cpu", threads=1)
    save_model(fit(store, params), folder / "model", git_commit="0123abc")
    return folder


@pytest.fixture(scope="module")
def judged(folder: Path) -> Path:
    out = folder / "out"
    run(
        model=folder / "model",
        store=folder / "store",
        out=out,
        params=PARAMS,
        scales=SCALES,
        champion=folder / "model",
        look_log=folder / "looks.jsonl",
    )
    return out


def test_everything_is_written_and_nothing_half(judged: Path) -> None:
    assert sorted(path.name for path in judged.iterdir()) == sorted([*WRITTEN, "champion_report.json"])
    report = read_report(judged / "report.json")
    assert all((judged / name).is_file() for name in report.figures)
    assert report.statement == "Measured on simulated phantoms - not clinical evidence"
    assert report.counts.judged_patients == {"train": 28, "validation": 7, "calibration": 14, "test": 21}


def test_the_report_is_of_the_predictions_beside_it(judged: Path) -> None:
    table = pd.read_parquet(judged / "predictions.parquet")
    assert set(table["split"]) == {"calibration", "test"}
    test = table[table["split"] == "test"].groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
    expected = np.corrcoef(test["bmd_pred_g_cm2"], test["bmd_l1_l4_g_cm2"])[0, 1]
    assert read_report(judged / "report.json").patient["bmd.pearson_r"].value == pytest.approx(expected)


def test_the_decision_file_answers_patients(judged: Path, folder: Path) -> None:
    rules = read_rules(judged / "decision.json")
    assert rules.versions.model == load_model(folder / "model").card.weights_sha256
    assert rules.versions.code == "0123abc"
    assert rules.geometry.pixels == 32
    assert decide([0.6, 0.6], [1.1, 1.1], 70, "F", rules).flag


def test_the_same_model_as_its_own_champion_scores_the_same_on_the_same_patients(judged: Path) -> None:
    ours, theirs = read_report(judged / "report.json"), read_report(judged / "champion_report.json")
    assert theirs.patient == ours.patient
    assert theirs.test_set_sha256 == ours.test_set_sha256


def test_the_report_holds_the_difference_from_the_champion(judged: Path, folder: Path) -> None:
    """The champion here is the same weights, but no decision rules of its own lie beside them."""
    versus = read_report(judged / "report.json").versus_champion
    assert versus is not None
    assert versus.champion_sha256 == load_model(folder / "model").card.weights_sha256
    assert (versus.patients, versus.same_model) == (21, False)
    difference = versus.difference["bmd.pearson_r"]
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    assert read_report(judged / "champion_report.json").versus_champion is None


def test_a_champion_with_the_same_weights_and_rules_is_the_same_model(
    judged: Path, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "model", tmp_path / "champion")
    shutil.copyfile(judged / "decision.json", tmp_path / "champion" / "decision.json")
    arguments = {"model": folder / "model", "store": folder / "store", "params": PARAMS, "scales": SCALES}
    run(**arguments, champion=tmp_path / "champion", out=tmp_path / "out")
    versus = read_report(tmp_path / "out" / "report.json").versus_champion
    assert versus is not None
    assert versus.same_model


def _champion_that_saw(folder: Path, out: Path, count: int) -> tuple[Path, set[str]]:
    """The model as champion, with this many of the 21 test patients on its list of whom it was trained on."""
    shutil.copytree(folder / "model", out)
    index = pd.read_parquet(folder / "store" / "index.parquet")
    seen = sorted(set(index.loc[index["split"] == "test", "patient"]))[:count]
    shown = index.assign(split=index["split"].where(~index["patient"].isin(seen), "train"))
    write_seen_patients(shown, out)
    return out, set(seen)


def test_test_patients_whom_the_champion_has_seen_are_left_out_for_both(folder: Path, tmp_path: Path) -> None:
    champion, seen = _champion_that_saw(folder, tmp_path / "champion", 6)
    arguments = {"model": folder / "model", "store": folder / "store", "params": PARAMS, "scales": SCALES}
    run(**arguments, champion=champion, out=tmp_path / "out")
    ours, theirs = (read_report(tmp_path / "out" / name) for name in ("report.json", "champion_report.json"))
    assert (ours.counts.judged_patients["test"], theirs.counts.judged_patients["test"]) == (21, 15)
    versus = ours.versus_champion
    assert versus is not None
    assert (versus.patients, versus.seen_by_champion) == (15, 6)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    rest = table[(table["split"] == "test") & ~table["patient"].isin(seen)]
    means = rest.groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
    r = np.corrcoef(means["bmd_pred_g_cm2"], means["bmd_l1_l4_g_cm2"])[0, 1]
    assert theirs.patient["bmd.pearson_r"].value == pytest.approx(r)
    assert versus.challenger["bmd.pearson_r"].value == pytest.approx(r)
    assert ours.patient["bmd.pearson_r"].value != pytest.approx(r)
    assert versus.difference["bmd.pearson_r"].value == 0.0
    assert "leaves out 6 test patients" in (tmp_path / "out" / "report.html").read_text()
    decision = gate(
        report=tmp_path / "out" / "report.json",
        champion_report=tmp_path / "out" / "champion_report.json",
        policy="demo",
        params=load_section(PARAMS_FILE, "gate", GateParams),
        out=tmp_path,
    )
    outcomes = {rule.key: rule for rule in decision.rules if rule.key.startswith("champion.")}
    assert {rule.verdict for rule in outcomes.values()} == {"passed"}
    assert "15 test patients; 6 more" in outcomes["champion.comparable"].reason
    assert f"({r:.3f} against the champion's {r:.3f})" in outcomes["champion.bmd.pearson_r"].reason


def test_a_champion_that_has_seen_nearly_all_test_patients_is_not_compared_with(
    folder: Path, tmp_path: Path
) -> None:
    champion, _ = _champion_that_saw(folder, tmp_path / "champion", 12)
    arguments = {"model": folder / "model", "store": folder / "store", "params": PARAMS, "scales": SCALES}
    with pytest.raises(
        ChampionError, match="on 12 of the 21 test patients; 9 are left to compare on, 10 needed"
    ):
        run(**arguments, champion=champion, out=tmp_path / "out", look_log=tmp_path / "looks.jsonl")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "looks.jsonl").exists()  # nobody was looked at


def test_the_gate_reads_both(judged: Path, tmp_path: Path) -> None:
    decision = gate(
        report=judged / "report.json",
        champion_report=judged / "champion_report.json",
        policy="demo",
        params=load_section(PARAMS_FILE, "gate", GateParams),
        out=tmp_path,
    )
    assert {rule.verdict for rule in decision.rules if rule.key.startswith("champion.")} == {"passed"}


def test_no_identifier_but_the_hash_leaves(judged: Path) -> None:
    patient = pd.read_parquet(judged / "predictions.parquet")["patient"].iloc[0]
    for name in ("report.json", "report.html"):
        assert patient not in (judged / name).read_text()


def test_every_look_at_the_test_patients_is_counted(folder: Path, judged: Path, tmp_path: Path) -> None:
    log = tmp_path / "looks.jsonl"
    log.write_text(json.dumps({"data_version": "another"}) + "\n")
    arguments = {"model": folder / "model", "store": folder / "store", "params": PARAMS, "scales": SCALES}
    first = run(**arguments, out=tmp_path / "a", look_log=log)
    second = run(**arguments, out=tmp_path / "b", look_log=log)
    assert (first.test_looks, second.test_looks) == (1, 2)
    assert "looked at 2 times" in (tmp_path / "b" / "report.html").read_text()
    assert first.metrics == second.metrics
    log.write_text("not json\n")
    with pytest.raises(InputError, match=r"looks\.jsonl"):
        run(**arguments, out=tmp_path / "c", look_log=log)
    assert not (tmp_path / "c").exists()


def test_a_champion_that_cannot_be_scored_is_an_error_and_no_missing_champion(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "model", tmp_path / "champion")
    with (tmp_path / "champion" / "weights.pt").open("ab") as weights:
        weights.write(b"x")
    with pytest.raises(ChampionError, match="run --without-champion"):
        run(
            model=folder / "model",
            store=folder / "store",
            out=tmp_path / "out",
            params=PARAMS,
            scales=SCALES,
            champion=tmp_path / "champion",
        )
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelArtefactError, match="absent"):
        run(
            model=tmp_path / "absent",
            store=folder / "store",
            out=tmp_path / "o",
            params=PARAMS,
            scales=SCALES,
        )


def test_a_model_that_answers_no_number_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    weights = torch.load(tmp_path / "model" / "weights.pt", weights_only=True)
    spoiled = {
        name: torch.full_like(value, float("nan")) if value.is_floating_point() else value
        for name, value in weights.items()
    }
    torch.save(spoiled, tmp_path / "model" / "weights.pt")
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    card["weights_sha256"] = file_sha256(tmp_path / "model" / "weights.pt")
    (tmp_path / "model" / "model.json").write_text(json.dumps(card))
    with pytest.raises(PredictionTableError, match="no number as estimate"):
        run(
            model=tmp_path / "model", store=folder / "store", out=tmp_path / "o", params=PARAMS, scales=SCALES
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_clear_line(folder: Path, judged: Path, tmp_path: Path) -> None:
    (tmp_path / "looks.jsonl").symlink_to("/dev/full")
    with pytest.raises(LookLogError, match="No space left"):
        run(
            model=folder / "model",
            store=folder / "store",
            out=tmp_path / "out",
            params=PARAMS,
            scales=SCALES,
            look_log=tmp_path / "looks.jsonl",
        )
