"""The challenger beside the champion: on the very same test patients, none of whom the champion has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models.bone_reference import ScalesParams
from models.crop_store import CropStore
from models.decision import DecisionRules, DecisionRulesError, read_rules
from models.errors import InputError
from models.evaluation.report import Evaluation
from models.evaluation.settings import EvaluateParams
from models.evaluation.versus_champion import VersusChampion, versus_champion
from models.seen_patients import read_seen_patients, refuse_other_key, without_seen

RULES_FILE = "decision.json"


class ChampionError(InputError):
    """The champion cannot be scored on these crops, or too few that it has not seen: nothing may replace it unseen."""


def unseen_by(
    champion: Path | None, store: CropStore, params: EvaluateParams
) -> tuple[CropStore, int | None]:
    """The store without test patients whom the champion has seen, and how many; None when that is not known.

    On patients it was trained on the champion looks better than it is, and a better challenger would be refused.

    Raises
    ------
    ChampionError
        Fewer are left than a group of test patients needs to be judged.
    """
    seen = None if champion is None else read_seen_patients(champion)
    if champion is None or seen is None:
        return store, None
    refuse_other_key(store, seen, champion)
    rest, count = without_seen(store, seen)
    left = rest.index.loc[rest.index["split"] == "test", "patient"].nunique()
    if count and left < params.subgroups.minimum_patients:
        raise ChampionError(
            f"the champion was trained or calibrated on {count} of the {count + left} test patients; {left} are "
            f"left to compare on, {params.subgroups.minimum_patients} needed: add test patients, or judge without it: "
            "osteogate run --without-champion"
        )
    return rest, count


def beside_champion(
    judged: Evaluation,
    ours: Evaluation,
    leading: Evaluation,
    seen: int | None,
    folder: Path,
    scales: ScalesParams,
    params: EvaluateParams,
) -> Evaluation:
    """The challenger's evaluation with its differences from the champion's, patient by patient.

    Parameters
    ----------
    ours
        The challenger's on the patients compared: `judged` itself unless the champion has seen some.
    seen
        How many those are; None when the champion keeps no list.
    """
    patients, theirs = (of.tables.patients[of.tables.patients["split"] == "test"] for of in (ours, leading))
    weights_sha256 = leading.report.model.weights_sha256
    difference = versus_champion(patients, theirs, scales, params.resampling)
    versus = VersusChampion(
        champion_sha256=weights_sha256,
        same_model=weights_sha256 == judged.report.model.weights_sha256
        and _answers_alike(folder / RULES_FILE, judged.rules),
        patients=len(patients),
        difference=difference,
        seen_by_champion=seen,
        test_set_sha256=ours.report.test_set_sha256 if seen else None,
        challenger={key: ours.report.patient[key] for key in difference} if seen else {},
    )
    notes = judged.report.notes
    if seen is None:
        notes += ("The champion keeps no list of whom it was trained on: that nobody compared here is among them is "
                  "not known.",)  # fmt: skip
    elif seen:
        notes += (f"The comparison with the champion leaves out {seen} test patients, whom the champion was trained or "
                  "calibrated on.",)  # fmt: skip
    update = {"versus_champion": versus, "notes": notes}
    return replace(judged, report=judged.report.model_copy(update=update))


def _answers_alike(path: Path, rules: DecisionRules) -> bool:
    """Whether the champion's own rules are these; a champion without readable rules is another."""
    try:
        return read_rules(path) == rules
    except DecisionRulesError:
        return False
