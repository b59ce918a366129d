"""Answers of the prediction log have a term, and none of the present period of drift goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import ParameterError
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import OutcomeRow, PredictionRow, Source
from pipelines.retention.carry_out import DELETIONS_FILE, apply_plan
from pipelines.retention.params import Term
from pipelines.retention.plan import plan_retention
from pipelines.workspace import Workspace
from tests.pipelines.retention.conftest import OLD_DAYS, PARAMS, YOUNG_DAYS, plan


def answer(study: str, days: float) -> PredictionRow:
    return PredictionRow(
        timestamp=datetime.now(UTC) - timedelta(days=days), study=study, vendor="GE", flag=True,
        model_version="1", source=Source.GATEWAY, data_kind="site",
    )  # fmt: skip


def test_old_answers_go_with_their_exams_and_leave_no_bytes(workspace: Workspace) -> None:
    log = PredictionLog(workspace.prediction_log_url)
    log.append([answer("0ld5tudy00000000", OLD_DAYS), answer("y0ung00000000000", YOUNG_DAYS)])
    log.append([answer("b0th000000000000", OLD_DAYS), answer("b0th000000000000", YOUNG_DAYS)])
    log.add_outcomes(
        OutcomeRow(study=study, exam_date="2026-01-02", dxa_device="Hologic Horizon A")
        for study in ("0ld5tudy00000000", "y0ung00000000000", "b0th000000000000", "n0answer00000000")
    )
    found = plan(workspace)
    assert found.prediction_count == 2
    apply_plan(found, workspace)
    assert sorted(log.read()["study"]) == ["b0th000000000000", "y0ung00000000000"]
    assert sorted(log.read_with_outcomes()["study"]) == ["b0th000000000000", "y0ung00000000000"]
    stored = (workspace.home / "prediction_log.db").read_bytes()
    assert b"0ld5tudy00000000" not in stored
    assert b"n0answer00000000" in stored, "an exam that waits for its answer is none of an old answer's"
    (record,) = [json.loads(line) for line in (workspace.home / DELETIONS_FILE).read_text().splitlines()]
    assert (record["kind"], record["rows"], record["outcomes"]) == ("predictions", 2, 1)


def test_above_its_space_the_oldest_answers_go_but_none_of_the_present_period(workspace: Workspace) -> None:
    log = PredictionLog(workspace.prediction_log_url)
    log.append([answer(f"{number:016d}", days=200.5 - number) for number in range(195)])
    tiny = PARAMS.model_copy(update={"predictions": Term(days=None, size_gb=1e-9)})
    found = plan_retention(workspace, tiny, period_days=30)
    # 195 answers, 200.5 to 6.5 days old: all from 30.5 days on may go, 171 of them
    assert found.prediction_count == 171


def test_predictions_are_kept_at_least_for_a_period_of_drift(workspace: Workspace) -> None:
    short = PARAMS.model_copy(update={"predictions": Term(days=29, size_gb=None)})
    with pytest.raises(ParameterError, match=r"retention\.predictions\.days: found 29; at least .* \(30\)"):
        plan(workspace, short)
