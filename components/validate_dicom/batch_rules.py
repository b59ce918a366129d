"""What is expected of the accepted pairs as a whole: the suite that a batch is judged by before it is trained on."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from components.validate_dicom.accepted_batches import AcceptedBatch
from components.validate_dicom.checks import (
    HasColumns,
    MixLikeLast,
    OnePerGroup,
    RowsAtLeast,
    Unique,
    shares_in_words,
)
from components.validate_dicom.labels import ACCEPTED_COLUMNS
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import BatchRule, Rule, Severity
from components.validate_dicom.vendor_mix import compare_mix
from models.refusal import Code

NO_RECORD = "not checked: no record of accepted batches is kept here"
FIRST_BATCH = "not checked: this is the first accepted batch of its kind"


class MixVerdict(NamedTuple):
    """How a batch's vendors compare with the last accepted batch's, in words, and whether they are others."""

    words: str
    differs: bool


def compare_with_last(vendors: pd.Series, last: AcceptedBatch | None, params: ValidateParams) -> MixVerdict:
    """The verdict of the suite's rule about vendors, for the summary and for `action: refuse`.

    Parameters
    ----------
    vendors
        Vendor of every accepted pair.
    """
    if last is None:
        return MixVerdict(FIRST_BATCH, False)
    limits = params.batch.vendor_mix
    counts = {str(name): int(count) for name, count in vendors.value_counts().items()}
    found = compare_mix(counts, last.by_vendor)
    differs = found.distance > limits.distance_max and found.p < limits.p_min
    shares = f"{shares_in_words(counts)}; before {shares_in_words(last.by_vendor)}"
    return MixVerdict(
        f"{'not the same' if differs else 'the same within limits'} ({shares}; total variation distance "
        f"{found.distance:.2f}, p {found.p:.2g}; accepted: at most {limits.distance_max:g}, or p at least "
        f"{limits.p_min:g})",
        differs,
    )


def batch_rules(params: ValidateParams) -> tuple[Rule, ...]:
    """Rules over the rows of accepted pairs, one of which must be a patient."""
    return (
        Rule(
            Code.PATIENT_DOUBLED,
            Unique(("patient",)),
            "A patient with two rows could be trained on and tested with: one patient is one row in one split.",
        ),
        Rule(
            Code.PATIENT_DOUBLED,
            OnePerGroup("series", "patient"),
            "One CT under two patient ids: one person could be in two splits.",
        ),
    )


def batch_wide_rules(params: ValidateParams, last: AcceptedBatch | None) -> tuple[BatchRule, ...]:
    """Enough rows, every column, and vendors as in the last accepted batch (no such rule where there is none)."""
    wide = [
        BatchRule(HasColumns(ACCEPTED_COLUMNS), "A column that is missing cannot be trained on."),
        BatchRule(RowsAtLeast(1), "An empty batch satisfies every rule about rows."),
        BatchRule(
            RowsAtLeast(params.batch.pairs_min),
            "Too few pairs for a model that is judged by intervals.",
            Severity.WARNING,
        ),
    ]
    if last is not None:
        mix = params.batch.vendor_mix
        reference = tuple(sorted(last.by_vendor.items()))
        wide.append(
            BatchRule(
                MixLikeLast("vendor", reference, mix.distance_max, mix.p_min),
                "A batch from other scanners than the last one changes what the model is good at: an export that "
                "lost a vendor looks like this as well.",
                Severity.WARNING,
            )
        )
    return tuple(wide)
