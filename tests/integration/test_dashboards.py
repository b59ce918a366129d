"""MLflow's and Evidently's own servers: started, answering, stopped, nothing left."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest

from monitoring.dashboards import dashboard_status, start_dashboards, stop_dashboards

pytestmark = pytest.mark.integration


def test_dashboards_start_answer_and_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        try:
            states = start_dashboards(
                home=tmp_path,
                mlflow_uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
                evidently_workspace=tmp_path / "evidently",
                mlflow_port=taken,
                evidently_port=0,
            )
            assert states["mlflow"].moved_ports()["http"][0] == taken
            for state in states.values():
                with urllib.request.urlopen(state.url, timeout=10) as reply:
                    assert b"<html" in reply.read().lower()
            assert dashboard_status(tmp_path) == states
        finally:
            stopped = stop_dashboards(tmp_path)
    assert stopped == {"mlflow": True, "evidently": True}
    assert dashboard_status(tmp_path) == {"mlflow": None, "evidently": None}
    assert list((tmp_path / "servers").iterdir()) == []
