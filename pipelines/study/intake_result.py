"""What the study of the intake's rules found: counts, sensitivity and specificity with Wilson intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.evaluation.agreement import wilson
from models.evaluation.metric import Metric
from models.params import Section
from models.refusal import NOT_LOOKED_FOR, Code
from pipelines.study.intake_images import LevelFacts, PatientFacts
from pipelines.study.wrong_scale import WRONG_SCALES

SCHEMA_VERSION = 2
STATEMENT = (
    "SIMULATED phantoms, not patients: this shows that rules do what they say, not how they do in a clinic."
)
ENOUGH = 0.90  # own criterion for contrast and metal: both shares
STRONG_COBB_DEG = (
    20.0  # a scoliosis that must be found; what is milder and yet marked (14-20) counts for neither
)


class HeaderCount(Section):
    """Sound series by their headers alone."""

    series: int
    refused: int
    codes: dict[str, int]
    changed_by_scrubbing: int


class DefectCount(Section):
    """Series with one planted defect that headers show."""

    defect: str
    code: str
    series: int
    caught: int
    caught_scrubbed: int
    rests_on_words: bool


class Accuracy(Section):
    """One image rule.

    Attributes
    ----------
    unit
        What is counted: patients or levels.
    must_reach
        Lowest sensitivity and specificity asked of it, None where they are reported only.
    met
        Whether both shares reach it; None where nothing is asked.
    """

    rule: str
    code: str
    unit: str
    sensitivity: Metric
    specificity: Metric
    must_reach: float | None
    met: bool | None


class IntakeResult(Section):
    """The whole study; `statement` says on what it was measured."""

    schema_version: int
    statement: str
    git_commit: str | None
    seeds: list[int]
    patients: int
    matrix: int
    limits: dict[str, float]
    headers: dict[str, HeaderCount]
    defects: list[DefectCount]
    accuracy: list[Accuracy]
    accuracy_by_seed: dict[str, list[Accuracy]]
    accuracy_by_thickness: dict[str, list[Accuracy]]
    aorta_not_found: int
    air_not_in_view: int
    heights_not_read: int
    levels_without_metal: int
    not_checked: dict[str, str]

    @property
    def met(self) -> bool:
        """No sound series refused by its header, every header defect caught, contrast and metal as asked."""
        sound = all(count.refused == 0 and count.changed_by_scrubbing == 0 for count in self.headers.values())
        caught = all(
            item.caught == item.series and (item.rests_on_words or item.caught_scrubbed == item.series)
            for item in self.defects
        )
        return sound and caught and all(item.met is not False for item in self.accuracy)

    def text(self) -> str:
        """The result in lines for a person."""
        lines = [self.statement]
        for seed, count in self.headers.items():
            lines.append(
                f"seed {seed}: {count.refused} of {count.series} sound series refused by header, "
                f"{count.changed_by_scrubbing} verdicts changed by scrubbing (words apart)"
            )
        caught = sum(item.caught for item in self.defects)
        lines.append(
            f"planted header defects: {caught} of {sum(item.series for item in self.defects)} with their code"
        )
        lines.append(f"images of {self.patients} phantoms:")
        for item in self.accuracy:
            sides = (("sensitivity", item.sensitivity), ("specificity", item.specificity))
            shown = ", ".join(f"{name} {one.words()} of {one.n}" for name, one in sides)
            lines.append(f"  {item.rule}, by {item.unit}: {shown}")
        lines.append(
            f"heights not read, so no fracture looked for: {self.heights_not_read} of {self.levels_without_metal} "
            f"levels without metal; no air in view to be checked: {self.air_not_in_view} of {self.patients} phantoms"
        )
        lines += [f"not checked: {name}" for name in self.not_checked]
        return "\n".join(lines)


def accuracies(patients: Sequence[PatientFacts]) -> list[Accuracy]:
    """Each image rule on these patients.

    Fractures are judged on levels without metal or cement, whose heights are not read. Levels of one patient
    are not independent, so each is counted by patients as well.
    """

    def levels(of: Callable[[LevelFacts], bool], code: Code) -> list[tuple[bool, bool]]:
        return [(of(level), level.code == code.value) for item in patients for level in item.levels]

    def anyone(of: Callable[[LevelFacts], bool], code: Code) -> list[tuple[bool, bool]]:
        return [
            (any(of(level) for level in item.levels), any(level.code == code.value for level in item.levels))
            for item in patients
        ]

    contrast = [(item.enhanced, Code.CONTRAST_BY_IMAGE.value in item.series_codes) for item in patients]
    plain = [item for item in patients if not 0.0 < item.cobb_deg < STRONG_COBB_DEG]
    curved = [(item.cobb_deg > 0.0, Code.SCOLIOSIS.value in item.series_codes) for item in plain]
    broken = [
        (level.fracture > 0, level.code == Code.VERTEBRA_FRACTURED.value) for level in _plain_levels(patients)
    ]
    right = [(False, Code.HU_IMPLAUSIBLE.value in item.series_codes) for item in patients]
    wrong = {name: [(True, item.wrong_scales_refused[name]) for item in patients] for name in WRONG_SCALES}
    metal, fracture = Code.METAL_IN_VERTEBRA, Code.VERTEBRA_FRACTURED
    return [
        _accuracy("undeclared contrast", Code.CONTRAST_BY_IMAGE, "patients", contrast, ENOUGH),
        _accuracy("metal or cement", metal, "patients", anyone(lambda x: x.metal, metal), ENOUGH),
        _accuracy("metal or cement", metal, "levels", levels(lambda x: x.metal, metal), ENOUGH),
        _accuracy("fracture", fracture, "patients", anyone(lambda x: x.fracture > 0, fracture), None),
        _accuracy("fracture", fracture, "levels", broken, None),
        _accuracy(
            f"scoliosis, Cobb {STRONG_COBB_DEG:g} degrees or more", Code.SCOLIOSIS, "patients", curved, None
        ),
        *(
            _accuracy(name, Code.HU_IMPLAUSIBLE, "patients", [*right, *found], None)
            for name, found in wrong.items()
        ),
    ]


def _plain_levels(patients: Sequence[PatientFacts]) -> list[LevelFacts]:
    """Levels without metal or cement."""
    return [level for item in patients for level in item.levels if not level.metal]


def _accuracy(
    rule: str, code: Code, unit: str, found: Sequence[tuple[bool, bool]], must_reach: float | None
) -> Accuracy:
    """From (truth, refused) pairs."""
    with_it = [refused for truth, refused in found if truth]
    without = [refused for truth, refused in found if not truth]
    sensitivity = wilson(sum(with_it), len(with_it))
    specificity = wilson(sum(not refused for refused in without), len(without))
    shares = (sensitivity.value, specificity.value)
    met = None if must_reach is None else all(x is not None and x >= must_reach for x in shares)
    return Accuracy(
        rule=rule,
        code=code.value,
        unit=unit,
        sensitivity=sensitivity,
        specificity=specificity,
        must_reach=must_reach,
        met=met,
    )


def intake_result(
    patients: Sequence[PatientFacts],
    headers: dict[str, HeaderCount],
    defects: list[DefectCount],
    *,
    limits: dict[str, float],
    matrix: int,
    commit: str | None,
) -> IntakeResult:
    """The result of everything that was measured."""
    seeds = sorted({item.seed for item in patients})
    groups = {
        "slices up to 4 mm apart": [item for item in patients if item.slice_spacing_mm <= 4.0],
        "slices more than 4 mm apart": [item for item in patients if item.slice_spacing_mm > 4.0],
    }
    return IntakeResult(
        schema_version=SCHEMA_VERSION,
        statement=STATEMENT,
        git_commit=commit,
        seeds=seeds,
        patients=len(patients),
        matrix=matrix,
        limits=limits,
        headers=headers,
        defects=defects,
        accuracy=accuracies(patients),
        accuracy_by_seed={
            str(seed): accuracies([item for item in patients if item.seed == seed]) for seed in seeds
        },
        accuracy_by_thickness={name: accuracies(group) for name, group in groups.items()},
        aorta_not_found=sum(item.aorta_hu is None for item in patients),
        air_not_in_view=sum(item.air_peak_hu is None for item in patients),
        heights_not_read=sum(level.height_loss is None for level in _plain_levels(patients)),
        levels_without_metal=len(_plain_levels(patients)),
        not_checked=NOT_LOOKED_FOR,
    )
