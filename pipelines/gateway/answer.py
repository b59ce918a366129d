"""The answer of one study: what a program reads as JSON and a person as text, with the same content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.decision import Decision
from models.refusal import MEANINGS, Code, Refusal, RefusedError
from pipelines.gateway.series_decisions import Decision as SeriesDecision
from pipelines.gateway.series_decisions import StudyRefusedError

SCHEMA_VERSION = 1
OUTSIDE = "outside validated input"


@dataclass(frozen=True)
class LevelEstimate:
    """One level: the model's estimates, and today's practice beside them."""

    level: str
    bmd_g_cm2: float
    tbs: float
    trabecular_hu: float


@dataclass(frozen=True)
class Acquisition:
    """What the model was told, and what the scanner declares of itself; None where nothing is declared."""

    vendor: str | None
    model: str | None
    kernel: str | None
    kvp: float
    slice_thickness_mm: float
    slice_spacing_mm: float
    pixel_spacing_mm: float


@dataclass(frozen=True)
class Answer:
    """Everything an answer says.

    Attributes
    ----------
    flag
        Get a DXA; also set when the vendor was never validated.
    outside
        Coded reasons why the input is outside of what was validated.
    not_checked
        Checks that the input does not allow.
    left_out
        Levels of L1-L4 that were not used, and why.
    decisions
        Every series of the study: taken or left, and why.
    """

    flag: bool
    decision: Decision
    reference: str
    levels: tuple[LevelEstimate, ...]
    left_out: tuple[tuple[str, Refusal], ...]
    age_years: float | None
    sex: str | None
    acquisition: Acquisition
    statistics: dict[str, float]
    choice: str
    outside: tuple[Refusal, ...]
    not_checked: tuple[Code, ...]
    remarks: tuple[str, ...]
    reasons: tuple[str, ...]
    notices: tuple[str, ...]
    model_version: str
    data_version: str
    data_kind: str
    decisions: tuple[SeriesDecision, ...] = ()

    @property
    def inside_validated_input(self) -> bool:
        """Nothing left unchecked and nothing outside of what the model was validated on."""
        return not self.outside and not self.not_checked and not self.remarks

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; numbers unrounded."""
        found = self.decision
        return {
            "schema_version": SCHEMA_VERSION,
            "answer": "flag" if self.flag else "no flag",
            "flag": self.flag,
            "reasons": list(self.reasons),
            "bmd_g_cm2": {"value": found.bmd_g_cm2, "low": found.bmd_low_g_cm2, "high": found.bmd_high_g_cm2},
            "tbs": {"value": found.tbs, "low": found.tbs_low, "high": found.tbs_high},
            "interval_coverage": found.interval_coverage,
            "score": {
                "kind": found.score_kind,
                "t_score": found.t_score,
                "text": found.score_text,
                "reference": self.reference if found.score_kind == "t" else None,
            },
            "levels": [asdict(level) for level in self.levels],
            "levels_left_out": [
                {"level": name, "code": refusal.code.value, "found": refusal.found}
                for name, refusal in self.left_out
            ],
            "age_years": self.age_years,
            "sex": self.sex,
            "acquisition": asdict(self.acquisition),
            "image_statistics": self.statistics,
            "series_choice": self.choice,
            "series_decisions": list(self.decisions),
            "inside_validated_input": self.inside_validated_input,
            "outside_validated_input": [
                {"code": refusal.code.value, "found": refusal.found} for refusal in self.outside
            ],
            "not_checked": [
                {"code": code.value, "meaning": MEANINGS[code].meaning} for code in self.not_checked
            ],
            "remarks": list(self.remarks),
            "model_version": self.model_version,
            "data_version": self.data_version,
            "data_kind": self.data_kind,
            "notices": list(self.notices),
        }

    def text(self) -> str:
        """The answer in lines for a person."""
        found = self.decision
        coverage = f"{found.interval_coverage:.0%} interval"
        verdict = "FLAG: a DXA scan is advised" if self.flag else "no flag"
        lines = [verdict, *(f"  because {reason}" for reason in self.reasons)]
        lines.append("")
        lines.append(
            f"estimated BMD  {found.bmd_g_cm2:.3f} g/cm2  "
            f"({coverage} {found.bmd_low_g_cm2:.3f} to {found.bmd_high_g_cm2:.3f})"
        )
        lines.append(
            f"estimated TBS  {found.tbs:.3f}        ({coverage} {found.tbs_low:.3f} to {found.tbs_high:.3f})"
        )
        lines.append(found.score_text)
        lines.append("")
        lines.append("level   BMD g/cm2   TBS     trabecular HU")
        lines += [
            f"{item.level}      {item.bmd_g_cm2:.3f}       {item.tbs:.3f}   {item.trabecular_hu:.0f}"
            for item in self.levels
        ]
        lines += [
            f"{name}      not used: {refusal.code} ({refusal.found})" for name, refusal in self.left_out
        ]
        lines.append("")
        lines += self._context()
        return "\n".join(lines)

    def _context(self) -> list[str]:
        facts = self.acquisition
        scanner = " ".join(part for part in (facts.vendor, facts.model) if part) or "scanner not declared"
        age = "age not known" if self.age_years is None else f"{self.age_years:g} years"
        lines = [
            f"patient: {age}, sex {self.sex or 'not known'}",
            f"series: {scanner}, {facts.kvp:g} kVp, slices {facts.slice_thickness_mm:g} mm every "
            f"{facts.slice_spacing_mm:g} mm, pixels {facts.pixel_spacing_mm:.3g} mm; {self.choice}",
            f"model version {self.model_version}, data version {self.data_version} ({self.data_kind})",
        ]
        if not self.inside_validated_input:
            lines.append(OUTSIDE.upper())
            lines += [f"  {refusal.code}: {refusal.found}" for refusal in self.outside]
            lines += [f"  {remark}" for remark in self.remarks]
            if self.not_checked:
                codes = ", ".join(code.value for code in self.not_checked)
                lines.append(f"  not checked, because the input does not say: {codes}")
        lines.append("; ".join(self.notices))
        return lines


def refused_as_dict(error: RefusedError, decisions: tuple[SeriesDecision, ...] = ()) -> dict[str, Any]:
    """A refusal as plain types for JSON.

    Parameters
    ----------
    decisions
        What was decided about the study's series before; of a `StudyRefusedError` its own.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "answer": "refused",
        "refusals": [
            {"code": item.code.value, "found": item.found, "action": MEANINGS[item.code].action}
            for item in error.refusals
        ],
        "series_decisions": list(error.decisions if isinstance(error, StudyRefusedError) else decisions),
    }
