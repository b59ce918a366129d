"""Section `study` of params.yaml: who a study is made of, and what it must show."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from models.params import Section

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Patients = Annotated[int, Field(ge=2, le=100_000)]
Correlation = Annotated[float, Field(ge=-1, le=1)]


class StudyBounds(Section):
    """What must be reached: on every test cohort by itself, `vendor_loss` on all of them together.

    Attributes
    ----------
    bmd_share_of_ceiling, tbs_share_of_ceiling
        Least Pearson r as a share of the ceiling's, a linear regression on the phantoms' own latents.
    bmd_r
        Least Pearson r of BMD.
    bmd_gain_over_hu
        Least gain in r over a regression on trabecular HU alone. Over HU with age, sex and BMI the lower bound of
        the gain must lie above 0.
    osteoporosis_auc
        Least area under the ROC curve.
    coverage
        Least and most share of patients whose DXA value lies inside the prediction interval.
    vendor_loss
        Most that r may lose on a vendor's patients when that vendor was left out of training.
    """

    bmd_share_of_ceiling: Correlation
    bmd_r: Correlation
    bmd_gain_over_hu: Correlation
    osteoporosis_auc: float = Field(ge=0.5, le=1)
    tbs_share_of_ceiling: Correlation
    coverage: tuple[float, float]
    vendor_loss: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.coverage
        if not 0 <= low < high <= 1:
            raise ValueError("coverage must be two ascending shares")
        return self


class StudyParams(Section):
    """Sizes, seeds and bounds of a study on streamed cohorts.

    Attributes
    ----------
    train_patients, validation_patients, calibration_patients, test_patients
        Patients that are trained on, stop the training, freeze cut-offs and intervals, and of each test cohort.
    train_seed, calibration_seed
        Of the cohorts; test seeds are named by whoever checks.
    """

    train_patients: Patients
    validation_patients: Patients
    calibration_patients: Patients
    test_patients: Patients
    train_seed: Seed
    calibration_seed: Seed
    bounds: StudyBounds
