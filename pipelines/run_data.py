"""Which data a run may take, as far as it can be said at once; the data step looks at the files themselves."""

from __future__ import annotations

from pathlib import Path

from components.prepare_vertebrae.params import PrepareParams
from components.simulate_cohort.dataset import DataChangedError, read_card, refuse_other_cohort
from components.simulate_cohort.params import SimulateParams
from models.params import load_section


def refuse_data(
    root: Path, params_file: Path, profile: str | None, *, data_folder: Path | None, accept_changed: bool
) -> None:
    """Refuse a run whose data step could only fail.

    Parameters
    ----------
    data_folder, accept_changed
        As in `pipelines.local_run.RunOptions`.

    Raises
    ------
    CohortError
        The folder is no cohort.
    PinError
        There is no pinned data set.
    DataChangedError
        The parameters are not those of the pinned data set; of a profile with a cohort of its own it is said how to
        run that cohort.
    """
    if data_folder is not None:
        read_card(data_folder)
        return
    if accept_changed:
        return
    simulate = load_section(params_file, "simulate", SimulateParams, profile)
    try:
        refuse_other_cohort(root, simulate)
    except DataChangedError as error:
        if profile is None or simulate == load_section(params_file, "simulate", SimulateParams):
            raise
        ways = [
            f"`osteogate simulate --profile {profile} --out DIR` and then "
            f"`osteogate run --profile {profile} --data DIR`",
            "--accept-changed-data, which puts this cohort in the place of the pinned one",
        ]
        if load_section(params_file, "prepare", PrepareParams, profile).split.exact:
            ways.insert(
                0, f"`osteogate study paper --profile {profile} --out DIR`, which keeps to its exact split"
            )
        raise DataChangedError(
            f"profile {profile} has a cohort of its own ({simulate.patients} patients, seed {simulate.seed}), and "
            f"data.dvc pins another; take {', or '.join(ways)}"
        ) from error
