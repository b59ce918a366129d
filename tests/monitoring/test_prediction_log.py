"""The prediction log keeps every answer, and says in one line what is wrong with a log."""

from __future__ import annotations

import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.errors import OsteoGateError
from monitoring.features import FEATURES
from monitoring.prediction_log import PredictionLog, PredictionLogError, PredictionLogUnreachableError
from monitoring.prediction_row import OutcomeRow, PredictionRow, Source

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(**changes: object) -> PredictionRow:
    values: dict[str, object] = {
        "timestamp": NOON,
        "study": "0123456789abcdef",
        "vendor": "GE",
        "model": "LightSpeed VCT",
        "kvp": 120.0,
        "kernel_class": "soft",
        "slice_thickness_mm": 2.5,
        "pixel_spacing_mm": 0.7,
        "soft_tissue_peak_hu": 52.0,
        "fat_peak_hu": -101.0,
        "noise_hu": 14.0,
        "trabecular_hu": 131.0,
        "bmd_g_cm2": 0.91,
        "tbs": 1.29,
        "bmd_interval_width_g_cm2": 0.2,
        "tbs_interval_width": 0.24,
        "flag": True,
        "model_version": "3",
        "latency_ms": 41.5,
        "source": Source.PREDICT,
        "data_kind": "site",
    }
    return PredictionRow.model_validate({**values, **changes})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new' / 'log.db'}"


def test_what_is_appended_is_read_back(url):
    PredictionLog(url).append([row(noise_hu=float("nan"))])
    frame = PredictionLog(url, create=False).read()
    assert list(frame.columns) == list(PredictionRow.model_fields)
    (found,) = frame.to_dict("records")
    assert found["timestamp"] == NOON
    assert (found["bmd_g_cm2"], found["flag"], found["source"]) == (0.91, True, "predict")
    assert math.isnan(found["noise_hu"])
    assert {feature.name for feature in FEATURES} <= set(frame.columns)


def test_an_empty_log_reads_as_a_typed_empty_frame(url):
    frame = PredictionLog(url).read()
    assert frame.empty
    assert frame["bmd_g_cm2"].dtype == "float64"
    assert str(frame["timestamp"].dtype).endswith("UTC]")


def test_rows_are_chosen_by_time_source_vendor_and_model(url):
    log = PredictionLog(url)
    log.append(
        [
            row(study="early", timestamp=NOON - timedelta(days=40)),
            row(study="now", source=Source.GATEWAY, model_version="4"),
            row(study="elsewhere", timestamp=NOON.astimezone(timezone(timedelta(hours=9))), vendor="Canon"),
            row(study="end", timestamp=NOON + timedelta(days=1), source=Source.TRAFFIC_REFERENCE),
        ]
    )
    until = NOON + timedelta(days=1)  # not included
    assert list(log.read(NOON, until)["study"]) == ["now", "elsewhere"]
    assert list(log.read(source=[Source.GATEWAY, Source.TRAFFIC_REFERENCE])["study"]) == ["now", "end"]
    assert list(log.read(source=Source.GATEWAY)["study"]) == ["now"]
    assert list(log.read(vendor="Canon")["study"]) == ["elsewhere"]
    assert list(log.read(model_version="4")["study"]) == ["now"]
    with pytest.raises(ValueError, match="without zone"):
        log.read(since=datetime(2026, 3, 1))


def test_a_row_that_is_not_an_answer_is_refused():
    with pytest.raises(ValidationError, match="source"):
        row(source="somewhere")
    with pytest.raises(ValidationError, match="patient_name"):
        row(patient_name="DOE^JANE")
    with pytest.raises(ValidationError, match="timestamp"):
        row(timestamp=datetime(2026, 3, 1))


def test_outcomes_join_later_by_study(url):
    log = PredictionLog(url)
    log.append([row(study="a"), row(study="b")])
    log.add_outcomes(
        [OutcomeRow(study="b", exam_date="2026-04-02", dxa_device="Hologic Horizon A", bmd_l1_l4_g_cm2=0.88)]
    )
    (found,) = log.read_with_outcomes().to_dict("records")
    assert (found["study"], found["bmd_g_cm2"], found["bmd_l1_l4_g_cm2"]) == ("b", 0.91, 0.88)


def test_writers_at_the_same_moment_lose_nothing(url):
    def write(number: int) -> None:
        PredictionLog(url).append([row(study=f"{number}-{item}") for item in range(5)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    assert PredictionLog(url).read()["study"].nunique() == 80


@pytest.mark.parametrize(("version", "word"), [(0, "older"), (2, "newer")])
def test_another_schema_is_refused_by_number(url, tmp_path: Path, version, word):
    PredictionLog(url)
    with sqlite3.connect(tmp_path / "new" / "log.db") as database:
        database.execute("UPDATE schema_version SET version = ?", (version,))
    with pytest.raises(PredictionLogError, match=f"schema {version} is {word}") as caught:
        PredictionLog(url)
    assert caught.value.exit_code == 2


def test_someone_elses_table_is_left_alone(tmp_path: Path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE predictions (id INTEGER)")
    with pytest.raises(PredictionLogError, match="not ours"):
        PredictionLog(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not a url with secret-word", 2),
        ("nosuchdb://user:secret-word@host/log", 2),
        ("oracle://user:secret-word@host/log", 2),  # a dialect whose driver is not installed
        ("sqlite:////proc/nowhere/log.db?password=secret-word", 5),
    ],
)
def test_an_unusable_url_is_one_line_without_its_password(text, code):
    with pytest.raises(OsteoGateError) as caught:
        PredictionLog(text)
    assert caught.value.exit_code == code
    assert "secret-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_says_so(tmp_path: Path):
    path = tmp_path / "log.db"
    path.write_text("these are not the bytes of a database, " * 100)
    with pytest.raises(PredictionLogUnreachableError, match="not a database"):
        PredictionLog(f"sqlite:///{path}")
    assert path.read_text().startswith("these are not")


def test_a_log_that_is_not_there_is_not_made_when_only_read(url, tmp_path: Path):
    with pytest.raises(PredictionLogError, match="no such file"):
        PredictionLog(url, create=False)
    assert not (tmp_path / "new").exists()
