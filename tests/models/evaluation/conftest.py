"""One evaluation of believable patients, which many tests read."""

from __future__ import annotations

import pandas as pd
import pytest

from models.evaluation.report import Evaluation
from tests import simulated_predictions as simulated
from tests.small_evaluation import evaluated


@pytest.fixture(scope="session")
def crops() -> pd.DataFrame:
    """To be copied before it is changed."""
    return simulated.crops(1, simulated.of_quality(0.87, 0.55))


@pytest.fixture(scope="session")
def evaluation(crops: pd.DataFrame) -> Evaluation:
    return evaluated(crops)
