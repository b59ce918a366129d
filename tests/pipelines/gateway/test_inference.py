"""What the server is asked, and what becomes of its answer; the server here is a stand-in, not Triton."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from components.deploy_triton.errors import TritonAnswerError, TritonUnavailableError
from models.decision import Geometry
from models.errors import ServiceUnavailableError
from models.refusal import Code, Refusal, RefusedError
from pipelines.gateway.inference import ask
from pipelines.gateway.preparation import PreparedStudy
from pipelines.gateway.settings import GatewayParams
from tests.pipelines.gateway.stand_in_server import StandInServer
from tests.pipelines.gateway.synthetic_study import Site

Server = Callable[..., StandInServer]
Prepare = Callable[..., PreparedStudy]


def test_the_highest_version_is_asked_with_the_crops_and_the_technique(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    stand_in = server()
    answer = ask(prepared, stand_in, params.prepare)
    ((crops, acquisition, version),) = stand_in.asked
    assert crops.shape == (4, 3, 96, 96)
    assert crops.dtype == np.int16
    np.testing.assert_allclose(acquisition, [[120, 3.0, 0.95]] * 4, rtol=1e-6)
    assert acquisition.dtype == np.float32
    assert version == "4" == answer.model_version


def test_an_answer_says_everything_that_the_design_asks_for(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    answer = ask(prepared, server(), params.prepare)
    document = json.loads(json.dumps(answer.as_dict(), allow_nan=False))
    assert document["answer"] == "no flag"
    assert document["bmd_g_cm2"] == pytest.approx({"value": 1.05, "low": 0.95, "high": 1.15})
    assert document["tbs"] == pytest.approx({"value": 1.40, "low": 1.28, "high": 1.52})
    assert document["score"]["t_score"] == pytest.approx((1.05 - 1.047) / 0.110, abs=1e-4)
    assert document["score"]["reference"] == "Hologic female L1-L4"
    assert [level["level"] for level in document["levels"]] == ["L1", "L2", "L3", "L4"]
    assert (document["model_version"], document["data_version"]) == ("4", "data-7")
    assert document["inside_validated_input"] is True
    text = answer.text()
    for wanted in (
        "no flag", "1.050 g/cm2", "0.950 to 1.150", "estimated T-score 0.0", "Hologic female L1-L4",
        "model version 4, data version data-7", "lumbar spine only", "research use only",
        "does not rule out low bone density", "simulated phantoms",
    ):  # fmt: skip
        assert wanted in text
    assert "OUTSIDE" not in text


def test_a_low_estimate_is_flagged_with_its_reason(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    text = ask(prepared, server(bmd_g_cm2=0.70), params.prepare).text()
    assert text.startswith("FLAG: a DXA scan is advised")
    assert "0.700 g/cm2" in text


def test_nifti_is_answered_as_outside_validated_input(
    site: Site, prepare: Prepare, server: Server, params: GatewayParams
) -> None:
    answer = ask(prepare(site.nifti, site.levels, kvp=120.0), server(), params.prepare)
    assert not answer.inside_validated_input
    text = answer.text()
    assert "OUTSIDE VALIDATED INPUT" in text
    assert "not looked for: focal bone lesion" in text
    (unchecked,) = [line for line in text.splitlines() if "not checked" in line]
    assert "CONTRAST_BY_TAG" in unchecked
    assert "PIXELS_UNREADABLE" not in unchecked  # the file was read
    assert "slice thickness is not declared" in text
    assert "no T-score: age and sex not known" in text
    assert answer.as_dict()["score"]["t_score"] is None
    assert answer.flag is False


def test_under_fifty_the_wording_is_of_a_z_score(
    site: Site, prepare: Prepare, server: Server, params: GatewayParams
) -> None:
    answer = ask(
        prepare(site.nifti, site.levels, kvp=120.0, age_years=45.0, sex="F"), server(), params.prepare
    )
    assert "Z-score" in answer.text()
    assert answer.decision.t_score is None


def test_an_unvalidated_vendor_is_answered_and_flagged(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    answer = ask(prepared, server({"vendors": ("GE",)}), params.prepare)  # the study is of Siemens
    assert answer.decision.flag is False
    assert answer.flag is True
    assert any("VENDOR_UNVALIDATED" in reason for reason in answer.reasons)
    assert not answer.inside_validated_input


def test_crops_follow_the_geometry_of_the_served_model(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    stand_in = server({"geometry": Geometry(64, 60.0, 1, 2.0, 6.0)})
    ask(prepared, stand_in, params.prepare)
    assert stand_in.asked[0][0].shape == (4, 1, 64, 64)


def test_a_refused_study_never_reaches_the_server(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    stand_in = server()
    with pytest.raises(RefusedError):
        ask(replace(prepared, refusals=(Refusal(Code.KVP_MISSING, "x"),)), stand_in, params.prepare)
    assert stand_in.asked == []


def test_no_loaded_model_and_damaged_rules_are_a_missing_service(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    with pytest.raises(TritonUnavailableError, match="serves no model") as missing:
        ask(prepared, server(versions=()), params.prepare)
    assert isinstance(missing.value, ServiceUnavailableError)
    damaged = server()
    (damaged.folder / "decision.json").write_text("{")
    with pytest.raises(TritonUnavailableError, match="decision rules of version 4"):
        ask(prepared, damaged, params.prepare)


def test_an_impossible_estimate_is_no_answer(
    prepared: PreparedStudy, server: Server, params: GatewayParams
) -> None:
    with pytest.raises(TritonAnswerError, match="cannot be"):
        ask(prepared, server(bmd_g_cm2=-4.0), params.prepare)
