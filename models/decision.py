"""From level estimates to the answer: flag or no flag, with what may and may not be said beside it.

This module is copied into every Triton model version, so it uses numpy and the standard library only
(no import of this project). Its rules travel beside it as decision.json. Rules and decision stay in one file
because that file travels alone.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCHEMA_VERSION = 1
FLAG_CAUSES = ("osteopenia", "osteoporosis", "impaired_tbs")

# What a vertebra can be at all; outside, the estimate is a fault and not a finding.
BMD_POSSIBLE_G_CM2 = (0.05, 3.0)
TBS_POSSIBLE = (0.3, 2.5)
AGE_POSSIBLE_YEARS = (0.0, 130.0)


class DecisionRulesError(ValueError):
    """decision.json is missing, damaged, incomplete or of another schema version."""

    exit_code = 3


class DecisionRefusedError(ValueError):
    """No answer may be given.

    Attributes
    ----------
    code
        As in the project's list of coded refusals: 'AGE_UNDER_30' or 'LEVELS_TOO_FEW'.
    found
        What was found, without identifiers.
    """

    exit_code = 3

    def __init__(self, code: str, found: str) -> None:
        self.code = code
        self.found = found
        super().__init__(f"{code}: {found}")


class EstimateFaultError(ValueError):
    """An estimate or an age that cannot be true (NaN, negative, beyond any vertebra): a fault upstream."""


@dataclass(frozen=True)
class Reference:
    """Young-adult reference of the T-score and the published cuts (Hologic scale, g/cm2)."""

    name: str
    peak_g_cm2: float
    sd_g_cm2: float
    osteopenia_t: float
    osteoporosis_t: float
    tbs_impaired_below: float

    @property
    def osteoporosis_bmd_g_cm2(self) -> float:
        """BMD at the osteoporosis cut."""
        return round(self.peak_g_cm2 + self.osteoporosis_t * self.sd_g_cm2, 6)


@dataclass(frozen=True)
class Cutoffs:
    """Cut-offs on the model's own patient-level estimates, frozen on calibration patients.

    At or below the BMD cut-offs, or below the TBS cut-off, the patient counts as found.
    """

    osteopenia_bmd_g_cm2: float
    osteoporosis_bmd_g_cm2: float
    impaired_tbs: float


@dataclass(frozen=True)
class Geometry:
    """Shape of the crops that the model was trained on; serving must prepare the same."""

    pixels: int
    size_mm: float
    slices: int
    slice_spacing_mm: float
    centre_shift_mm: float


@dataclass(frozen=True)
class Versions:
    """What the rules were made from."""

    data: str
    code: str
    params: str
    model: str


@dataclass(frozen=True)
class DecisionRules:
    """Everything `decide` needs; the content of decision.json.

    Attributes
    ----------
    flag_on
        Which of `FLAG_CAUSES` lead to a flag.
    bmd_half_width_g_cm2, tbs_half_width
        Half-widths of the patient-level prediction intervals (split conformal, calibration patients).
    interval_coverage
        Nominal coverage of the intervals, 0.90 say.
    minimum_age_years, z_score_under_years, minimum_levels
        Refuse under the first; word as Z-score under the second; levels needed for an answer.
    vendors, kvp_minimum, kvp_maximum
        What the model was validated on.
    data_kind
        'simulated' or 'site'.
    """

    schema_version: int
    data_kind: str
    cutoffs: Cutoffs
    flag_on: tuple[str, ...]
    bmd_half_width_g_cm2: float
    tbs_half_width: float
    interval_coverage: float
    reference: Reference
    geometry: Geometry
    versions: Versions
    vendors: tuple[str, ...]
    kvp_minimum: float
    kvp_maximum: float
    minimum_age_years: float = 30.0
    z_score_under_years: float = 50.0
    minimum_levels: int = 2


@dataclass(frozen=True)
class Decision:
    """The answer for one patient.

    Attributes
    ----------
    answer
        'flag' (get a DXA) or 'no flag'.
    bmd_g_cm2, bmd_low_g_cm2, bmd_high_g_cm2
        Mean of the levels and its prediction interval, Hologic scale.
    tbs, tbs_low, tbs_high
        The same for the trabecular bone score.
    score_kind
        't', 'z' (Z-score wording: no number, no age-matched reference is held) or 'none'.
    t_score
        Estimated; only when `score_kind` is 't'.
    score_text
        The score in words, or why there is none.
    reasons
        Why flag or no flag, in words with numbers.
    notices
        To be shown with every answer.
    """

    answer: str
    flag: bool
    bmd_g_cm2: float
    bmd_low_g_cm2: float
    bmd_high_g_cm2: float
    tbs: float
    tbs_low: float
    tbs_high: float
    interval_coverage: float
    levels_used: int
    score_kind: str
    t_score: float | None
    score_text: str
    reasons: tuple[str, ...]
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def decide(
    level_bmd_g_cm2: ArrayLike,
    level_tbs: ArrayLike,
    age_years: float | None,
    sex: str | None,
    rules: DecisionRules,
) -> Decision:
    """Answer for one patient from the estimates of the evaluable levels.

    Parameters
    ----------
    level_bmd_g_cm2, level_tbs
        (L,) estimates, one per evaluable level of L1-L4, Hologic scale.
    age_years
        None or NaN when not known.
    sex
        'F' or 'M'; anything else counts as not known.

    Raises
    ------
    DecisionRefusedError
        AGE_UNDER_30, or LEVELS_TOO_FEW.
    EstimateFaultError
        Estimates that are not numbers or not of a vertebra, or an impossible age.
    """
    bmd_levels = _levels(level_bmd_g_cm2, BMD_POSSIBLE_G_CM2, "BMD (g/cm2)")
    tbs_levels = _levels(level_tbs, TBS_POSSIBLE, "TBS")
    if bmd_levels.size != tbs_levels.size:
        raise EstimateFaultError(
            f"{bmd_levels.size} BMD and {tbs_levels.size} TBS estimates; one of each per level"
        )
    age = _age(age_years)
    if age is not None and age < rules.minimum_age_years:
        raise DecisionRefusedError(
            "AGE_UNDER_30", f"age {age:g} years, answers are given from {rules.minimum_age_years:g} years"
        )
    if bmd_levels.size < rules.minimum_levels:
        raise DecisionRefusedError(
            "LEVELS_TOO_FEW", f"{bmd_levels.size} evaluable levels, {rules.minimum_levels} needed"
        )
    bmd, tbs = float(bmd_levels.mean()), float(tbs_levels.mean())
    kind, t_score, text = _score(bmd, age, sex, rules)
    found = _found(bmd, tbs, rules)
    clear = (
        f"estimated BMD {bmd:.3f} g/cm2 and TBS {tbs:.3f} are on the unflagged side of every frozen cut-off"
    )
    return Decision(
        answer="flag" if found else "no flag",
        flag=bool(found),
        bmd_g_cm2=bmd,
        bmd_low_g_cm2=bmd - rules.bmd_half_width_g_cm2,
        bmd_high_g_cm2=bmd + rules.bmd_half_width_g_cm2,
        tbs=tbs,
        tbs_low=tbs - rules.tbs_half_width,
        tbs_high=tbs + rules.tbs_half_width,
        interval_coverage=rules.interval_coverage,
        levels_used=int(bmd_levels.size),
        score_kind=kind,
        t_score=t_score,
        score_text=text,
        reasons=tuple(found) if found else (clear,),
        notices=notices(rules),
    )


def notices(rules: DecisionRules) -> tuple[str, ...]:
    """What every answer under these rules must be shown with."""
    lines = ["lumbar spine only", "research use only", "does not rule out low bone density"]
    if rules.data_kind == "simulated":
        lines.append("trained and measured on simulated phantoms, not on patients")
    return tuple(lines)


def outside_validated(
    vendor: str | None, kvp: float | None, rules: DecisionRules
) -> tuple[tuple[str, str], ...]:
    """Coded reasons why an acquisition lies outside what the model was validated on; empty when inside."""
    problems = []
    if vendor not in rules.vendors:
        problems.append(("VENDOR_UNVALIDATED", f"vendor {vendor!r}; validated: {', '.join(rules.vendors)}"))
    accepted = f"validated: {rules.kvp_minimum:g}-{rules.kvp_maximum:g} kVp"
    if kvp is None or not math.isfinite(kvp):
        problems.append(("KVP_MISSING", f"tube voltage not known; {accepted}"))
    elif not rules.kvp_minimum <= kvp <= rules.kvp_maximum:
        problems.append(("KVP_OUT_OF_RANGE", f"{kvp:g} kVp; {accepted}"))
    return tuple(problems)


def _found(bmd: float, tbs: float, rules: DecisionRules) -> list[str]:
    """Reasons to flag; empty for none."""
    cut, reasons = rules.cutoffs, []
    if "osteopenia" in rules.flag_on and bmd <= cut.osteopenia_bmd_g_cm2:
        reasons.append(
            f"estimated BMD {bmd:.3f} g/cm2 is at or below the frozen cut-off for low bone density, "
            f"{cut.osteopenia_bmd_g_cm2:.3f}"
        )
    if "osteoporosis" in rules.flag_on and bmd <= cut.osteoporosis_bmd_g_cm2:
        reasons.append(
            f"estimated BMD {bmd:.3f} g/cm2 is at or below the frozen cut-off for very low bone density, "
            f"{cut.osteoporosis_bmd_g_cm2:.3f}"
        )
    if "impaired_tbs" in rules.flag_on and tbs < cut.impaired_tbs:
        reasons.append(
            f"estimated TBS {tbs:.3f} is below the frozen cut-off for impaired microarchitecture, "
            f"{cut.impaired_tbs:.3f}"
        )
    low, high = bmd - rules.bmd_half_width_g_cm2, bmd + rules.bmd_half_width_g_cm2
    if low <= rules.reference.osteoporosis_bmd_g_cm2:
        reasons.append(
            f"the {rules.interval_coverage:.0%} interval of BMD, {low:.3f} to {high:.3f} g/cm2, reaches the "
            f"T {rules.reference.osteoporosis_t:g} cut, {rules.reference.osteoporosis_bmd_g_cm2:.3f}"
        )
    return reasons


def _score(
    bmd: float, age: float | None, sex: str | None, rules: DecisionRules
) -> tuple[str, float | None, str]:
    known_sex = sex in ("F", "M")
    if age is None or not known_sex:
        lacking = " and ".join(
            name for name, missing in (("age", age is None), ("sex", not known_sex)) if missing
        )
        return "none", None, f"no T-score: {lacking} not known"
    if age < rules.z_score_under_years:
        return (
            "z",
            None,
            f"under {rules.z_score_under_years:g} years a Z-score (comparison with the same age and sex) "
            "applies; no T-score is given, and no age-matched reference is held",
        )
    score = (bmd - rules.reference.peak_g_cm2) / rules.reference.sd_g_cm2
    return "t", score, f"estimated T-score {score:.1f} (reference: {rules.reference.name})"


def _levels(values: ArrayLike, possible: tuple[float, float], what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise EstimateFaultError(
            f"{what}: expected one value per level, found an array of shape {array.shape}"
        )
    wrong = ~((array >= possible[0]) & (array <= possible[1]))  # NaN compares false, so counts as wrong
    if wrong.any():
        raise EstimateFaultError(
            f"{what}: level estimate {array[wrong][0]:g} cannot be of a vertebra "
            f"({possible[0]:g} to {possible[1]:g} can)"
        )
    return array


def _age(age_years: float | None) -> float | None:
    if age_years is None or math.isnan(age_years):
        return None
    if not AGE_POSSIBLE_YEARS[0] <= age_years <= AGE_POSSIBLE_YEARS[1]:
        raise EstimateFaultError(f"age {age_years:g} years is not an age")
    return float(age_years)


def write_rules(rules: DecisionRules, path: Path) -> None:
    """Write decision.json; beside it first, then renamed in, so that no half-written file is ever read."""
    text = json.dumps(asdict(rules), indent=2, allow_nan=False) + "\n"
    _parse(json.loads(text), str(path))  # what cannot be read back must not be written
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
        Path(beside).chmod(0o644)  # mkstemp makes it private; a server under another account reads it
        Path(beside).replace(path)
    except OSError:
        Path(beside).unlink(missing_ok=True)
        raise


def read_rules(path: Path) -> DecisionRules:
    """Read decision.json.

    Raises
    ------
    DecisionRulesError
        Missing or not JSON, another schema version, a key too many or too few, a value of the wrong kind or
        outside its range; the message names the key.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DecisionRulesError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DecisionRulesError(f"{path}: not JSON ({error})") from error
    return _parse(document, str(path))


def _parse(document: Any, where: str) -> DecisionRules:
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != SCHEMA_VERSION or isinstance(found, bool):
        raise DecisionRulesError(
            f"{where}: decision rules of schema {found!r}; this version reads {SCHEMA_VERSION}"
        )
    rules = _build(DecisionRules, document, where)
    half_widths = (rules.bmd_half_width_g_cm2, rules.tbs_half_width)
    checks = {
        "flag_on": bool(rules.flag_on) and set(rules.flag_on) <= set(FLAG_CAUSES),
        "data_kind": rules.data_kind in ("simulated", "site"),
        "bmd_half_width_g_cm2, tbs_half_width": all(0 < width < 2 for width in half_widths),
        "interval_coverage": 0.5 <= rules.interval_coverage < 1,
        "cutoffs": all(0 < value < 3 for value in asdict(rules.cutoffs).values()),
        "reference": rules.reference.peak_g_cm2 > 0 and rules.reference.sd_g_cm2 > 0,
        "reference.osteoporosis_t": rules.reference.osteoporosis_t < rules.reference.osteopenia_t,
        "geometry": rules.geometry.centre_shift_mm >= 0
        and all(value > 0 for name, value in asdict(rules.geometry).items() if name != "centre_shift_mm"),
        "vendors": len(rules.vendors) > 0,
        "kvp_minimum, kvp_maximum": 0 < rules.kvp_minimum <= rules.kvp_maximum,
        "minimum_age_years": rules.minimum_age_years >= 30,  # no reference below; never loosened by a file
        "minimum_levels": 2 <= rules.minimum_levels <= 4,
    }
    wrong = [key for key, good in checks.items() if not good]
    if wrong:
        raise DecisionRulesError(f"{where}: value outside its range: {'; '.join(wrong)}")
    return rules


def _build(kind: Any, document: Any, where: str) -> Any:
    """A dataclass from a mapping, strictly: exactly its keys, exactly its types."""
    if not isinstance(document, dict):
        raise DecisionRulesError(f"{where}: expected a mapping, found {type(document).__name__}")
    names = {field.name: str(field.type) for field in fields(kind)}
    if set(document) != set(names):
        lacking, unknown = sorted(set(names) - set(document)), sorted(set(document) - set(names))
        raise DecisionRulesError(f"{where}: missing keys {lacking}, unknown keys {unknown}")
    return kind(**{name: _value(document[name], names[name], f"{where}: {name}") for name in names})


def _value(value: Any, kind: str, where: str) -> Any:
    nested = {"Reference": Reference, "Cutoffs": Cutoffs, "Geometry": Geometry, "Versions": Versions}
    if kind in nested:
        return _build(nested[kind], value, where)
    if kind == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind == "str" and isinstance(value, str) and value:
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == "int" and whole:
        return value
    if kind == "float" and (whole or isinstance(value, float)) and math.isfinite(value):
        return float(value)
    raise DecisionRulesError(f"{where}: found {value!r}; expected {kind}")
