"""Asking the model server about a prepared study, and turning what it says into an answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.deploy_triton.client import Prediction
from components.deploy_triton.errors import TritonAnswerError, TritonUnavailableError
from components.prepare_vertebrae.params import PrepareParams
from models.crop_store import CropGeometry
from models.decision import (
    DecisionRefusedError,
    DecisionRules,
    DecisionRulesError,
    EstimateFaultError,
    decide,
    notices,
    outside_validated,
    read_rules,
)
from models.refusal import NOT_LOOKED_FOR, Code, Refusal, refuse
from pipelines.gateway.answer import Acquisition, Answer, LevelEstimate
from pipelines.gateway.preparation import LevelCrop, PreparedStudy, crop_levels
from pipelines.gateway.study import Study


class ModelServer(Protocol):
    """What is asked of `components.deploy_triton.client.TritonClient`."""

    def loaded_versions(self) -> list[str]: ...

    def decision_folder(self, version: str) -> Path: ...

    def predict(
        self, crops: NDArray[np.int16], acquisition: NDArray[np.float32], *, version: str = ""
    ) -> Prediction: ...


def ask(prepared: PreparedStudy, server: ModelServer, params: PrepareParams) -> Answer:
    """The answer for a study that nothing speaks against.

    The version is fixed first, because its decision.json says what crops the model takes; crops of another
    shape than params.yaml names are then taken anew.

    Raises
    ------
    RefusedError
        What `prepared` was refused for, or AGE_UNDER_30, or too few levels in the model's own geometry.
    ServiceUnavailableError
        The server does not answer or serves no model.
    """
    prepared.require_acceptable()
    loaded = server.loaded_versions()
    if not loaded:
        raise TritonUnavailableError("Triton serves no model; run `osteogate serve start` after a promotion")
    version = loaded[-1]
    rules = _rules(server, version)
    crops, left_out = _in_geometry(prepared, rules, params)
    acquisition, remarks = _acquisition(prepared)
    told = (acquisition.kvp, acquisition.slice_thickness_mm, acquisition.pixel_spacing_mm)
    prediction = server.predict(
        np.stack([crop.hu for crop in crops]),
        np.tile(np.array(told, dtype=np.float32), (len(crops), 1)),
        version=version,
    )
    return _answer(prepared, rules, crops, left_out, acquisition, remarks, prediction)


def _rules(server: ModelServer, version: str) -> DecisionRules:
    try:
        return read_rules(server.decision_folder(version) / "decision.json")
    except DecisionRulesError as error:
        raise TritonUnavailableError(
            f"decision rules of version {version}: {error}; deploy it again"
        ) from error


def _in_geometry(
    prepared: PreparedStudy, rules: DecisionRules, params: PrepareParams
) -> tuple[tuple[LevelCrop, ...], tuple[tuple[str, Refusal], ...]]:
    wanted = CropGeometry(
        pixels=rules.geometry.pixels,
        size_mm=rules.geometry.size_mm,
        slices=rules.geometry.slices,
        slice_spacing_mm=rules.geometry.slice_spacing_mm,
        centre_shift_mm=rules.geometry.centre_shift_mm,
    )
    if wanted == prepared.geometry or prepared.study.volume is None:
        return prepared.crops, prepared.left_out
    crops, left_out = crop_levels(
        prepared.study.volume, prepared.levels, params, wanted, prepared.unmeasurable
    )
    if len(crops) < params.levels.minimum_levels:
        raise refuse(Code.LEVELS_TOO_FEW, f"{len(crops)} evaluable levels in crops of {wanted.size_mm:g} mm")
    return crops, left_out


def _acquisition(prepared: PreparedStudy) -> tuple[Acquisition, tuple[str, ...]]:
    facts = prepared.study.facts
    spacing_mm = float(str(facts["slice_spacing_mm"]))
    thickness_mm = _number(facts["slice_thickness_mm"])
    remarks: tuple[str, ...] = ()
    if thickness_mm is None or thickness_mm <= 0:
        thickness_mm = spacing_mm
        remarks = (f"slice thickness is not declared: the slice spacing, {spacing_mm:g} mm, stands for it",)
    kvp = _number(facts["kvp"])
    if kvp is None:
        raise refuse(Code.KVP_MISSING, "the tube voltage is not known")
    acquisition = Acquisition(
        vendor=_text(facts["vendor"]),
        model=_text(facts["model"]),
        kernel=_text(facts["kernel"]),
        kvp=kvp,
        slice_thickness_mm=thickness_mm,
        slice_spacing_mm=spacing_mm,
        pixel_spacing_mm=float(str(facts["pixel_spacing_mm"])),
    )
    return acquisition, remarks


def _answer(
    prepared: PreparedStudy,
    rules: DecisionRules,
    crops: tuple[LevelCrop, ...],
    left_out: tuple[tuple[str, Refusal], ...],
    acquisition: Acquisition,
    remarks: tuple[str, ...],
    prediction: Prediction,
) -> Answer:
    study = prepared.study
    age_years, sex = _number(study.facts["age_years"]), _text(study.facts["sex"])
    try:
        decision = decide(prediction.bmd_g_cm2, prediction.tbs, age_years, sex, rules)
    except DecisionRefusedError as error:
        raise refuse(Code(error.code), error.found) from error
    except EstimateFaultError as error:
        raise TritonAnswerError(
            f"version {prediction.model_version} answered what cannot be: {error}"
        ) from error
    outside = list(study.outside)
    known = {refusal.code for refusal in outside} | set(study.not_checked)
    for code, found in outside_validated(acquisition.vendor, acquisition.kvp, rules):
        # a vendor that is not declared is 'not checked' already
        if Code(code) not in known and not (code == Code.VENDOR_UNVALIDATED and acquisition.vendor is None):
            outside.append(Refusal(Code(code), found))
    unvalidated = [refusal for refusal in outside if refusal.code is Code.VENDOR_UNVALIDATED]
    broken = [refusal for _, refusal in left_out if refusal.code is Code.VERTEBRA_FRACTURED]
    # neither an estimate that nothing is known about nor one that leaves out a fractured vertebra may keep
    # anybody from a DXA scan
    flagged = [f"{item.code}: {item.found}" for item in (*unvalidated, *broken)]
    return Answer(
        flag=decision.flag or bool(flagged),
        decision=decision,
        reference=rules.reference.name,
        levels=tuple(
            LevelEstimate(crop.level.name, float(bmd), float(tbs), crop.trabecular_hu)
            for crop, bmd, tbs in zip(crops, prediction.bmd_g_cm2, prediction.tbs, strict=True)
        ),
        left_out=left_out,
        age_years=age_years,
        sex=sex,
        acquisition=acquisition,
        statistics=prepared.statistics,
        choice=study.choice,
        decisions=study.decisions,
        outside=tuple(outside),
        not_checked=study.not_checked,
        remarks=remarks,
        reasons=(*flagged, *(decision.reasons if decision.flag or not flagged else ())),
        notices=(*notices(rules), *_not_looked_for(study)),
        model_version=prediction.model_version,
        data_version=rules.versions.data,
        data_kind=rules.data_kind,
    )


def _not_looked_for(study: Study) -> tuple[str, ...]:
    unseen = tuple(f"not looked for: {name}" for name in NOT_LOOKED_FOR)
    if _number(study.facts.get("hu_air_peak")) is None:
        return (*unseen, "not looked at: HU of air, of which the field of view holds none")
    return unseen


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
