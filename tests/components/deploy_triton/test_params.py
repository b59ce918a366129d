"""Section `deploy` of params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.deploy_triton.params import DeployParams
from models.errors import ParameterError
from models.params import load_section, parse_section

ROOT = Path(__file__).resolve().parents[3]


def test_the_repository_s_own_parameters_are_accepted() -> None:
    assert load_section(ROOT / "params.yaml", "deploy", DeployParams).keep_versions >= 2


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"golden_bmd_g_cm2": 0.5}, "deploy.golden_bmd_g_cm2"),
        ({"max_batch_size": 16}, "deploy.max_batch_size"),  # below what the client sends
        ({"keep_versions": 1}, "deploy.keep_versions"),  # nothing to roll back to
        ({"ports": {"grpc": 70000}}, "deploy.ports.grpc"),
        ({"port": 8001}, "deploy.port: unknown key"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], key: str) -> None:
    with pytest.raises(ParameterError, match=key):
        parse_section("deploy", values, DeployParams)
