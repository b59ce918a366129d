"""The two constants of the TBS scale, as the calibration cohort asks for them.

`python -m components.simulate_cohort.calibrate [patients]` draws the calibration cohort (its own seed and streams,
no CT) and prints the pair. Nothing here writes constants: constants.py is changed by hand, with its source.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from components.simulate_cohort import constants as c
from components.simulate_cohort.nhanes import TBS_CELLS
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.population import draw_population
from components.simulate_cohort.published import CLINIC_TBS_SHIFT, OLDEST_DECADE
from models.levels import LEVELS
from models.params import load_section

PURPOSE = "calibration"


def tbs_pair(population: pd.DataFrame) -> tuple[float, float]:
    """Slope and offset that give NHANES's mean and SD of TBS, less a clinic's shift.

    Sexes and decades count by the phantoms in them: the pair is the one whose cells' mean SD and mean TBS agree.

    Parameters
    ----------
    population
        Rows of `population.draw_population`; only the variogram slope, sex and age are looked at.
    """
    people = population[population["evaluable_levels"] == len(LEVELS)]
    decade = np.minimum(people["age_years"] // 10 * 10, OLDEST_DECADE)
    weight, mean, sd, aim_mean, aim_sd = [], [], [], [], []
    for cell in TBS_CELLS:
        slopes = people.loc[(people["sex"] == cell.sex) & (decade == cell.decade), "slope"]
        if len(slopes) > 1:
            weight.append(len(slopes))
            mean.append(slopes.mean())
            sd.append(slopes.std())
            aim_mean.append(cell.mean + CLINIC_TBS_SHIFT)
            aim_sd.append(cell.sd)
    slope = np.average(aim_sd, weights=weight) / np.average(sd, weights=weight)
    offset = np.average(aim_mean, weights=weight) - slope * np.average(mean, weights=weight)
    return float(slope), float(offset)


def main() -> None:
    """Print the pair that the calibration cohort asks for beside the frozen one."""
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    params = load_section(Path("params.yaml"), "simulate", SimulateParams)
    keep = Path(tempfile.gettempdir()) / "osteogate-calibration"
    population = draw_population(patients, c.CALIBRATION_SEED, params, keep=keep, purpose=PURPOSE)
    slope, offset = tbs_pair(population)
    sys.stdout.write(
        f"{patients} simulated phantoms ask for TBS = {offset:.4f} + {slope:.4f} slope; "
        f"frozen: {c.TBS_OFFSET:.4f} + {c.TBS_SLOPE:.4f} slope\n"
    )


if __name__ == "__main__":
    main()
