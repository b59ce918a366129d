"""A synthetic study on disk, and a stand-in for the model server that says it is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from models.decision import write_rules
from pipelines.gateway.preparation import PreparedStudy, prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from tests.pipelines.gateway.stand_in_server import StandInServer, rules
from tests.pipelines.gateway.synthetic_study import Site, write_site

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def params() -> GatewayParams:
    return GatewayParams.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return write_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def prepare(params: GatewayParams) -> Callable[..., PreparedStudy]:
    def call(image: Path, levels: Path | None = None, **stated: object) -> PreparedStudy:
        key = Pseudonymiser(b"a key of sixteen bytes or more")
        scheme = stated.pop("scheme", None)
        return prepare_study(image, Stated(**stated), params, key, level_file=levels, scheme=scheme)  # type: ignore[arg-type]

    return call


@pytest.fixture(scope="session")
def prepared(site: Site, prepare: Callable[..., PreparedStudy]) -> PreparedStudy:
    return prepare(site.folder, site.levels)


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., StandInServer]:
    def make(rule_changes: dict[str, object] | None = None, **answers: object) -> StandInServer:
        write_rules(rules(**(rule_changes or {})), tmp_path / "decision.json")
        return StandInServer(tmp_path, **answers)  # type: ignore[arg-type]

    return make
