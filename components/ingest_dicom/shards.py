"""Work in parts: which patients are whose, so that parts run apart, and one that failed is run again alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ParameterError

if TYPE_CHECKING:  # names only: what defines the pipeline should not load pydicom
    from components.ingest_dicom.pseudonym import Pseudonymiser
    from components.ingest_dicom.scan import ScanResult

SHARD_MARK = ".shard-"  # in the name of a part's intake folder, after that of the whole


@dataclass(frozen=True)
class Shard:
    """Part `number` of `of`, counted from 0.

    A patient's part follows from the keyed hash alone: the same in every step, whoever else is in the cohort, and
    never two for one patient.

    Raises
    ------
    ParameterError
        There is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise ParameterError(
                f"shard {self.number} of {self.of}: 0 to {max(self.of - 1, 0)} is accepted, of at least 1"
            )

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The part that `str` named; ParameterError for another text."""
        number, _, of = text.partition("-of-")
        if not (number.isdecimal() and of.isdecimal()):
            raise ParameterError(f"shard {text!r}: a text such as 0-of-8 is accepted")
        return cls(int(number), int(of))

    def identity(self, whole: Path) -> Path:
        """Folder of this part's locations.json, beside that of the whole."""
        return whole.with_name(f"{whole.name}{SHARD_MARK}{self}")

    def holds(self, patient: str) -> bool:
        """Whether a patient (keyed hash), or whatever else stands for one, is in this part."""
        digest = hashlib.sha256(f"shard:{patient}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number

    def part_of(self, scan: ScanResult, root: Path, pseudonymiser: Pseudonymiser) -> ScanResult:
        """Series and other files of this part's patients; what names no patient goes by its own hash.

        Every series and every file is in exactly one part.
        """
        series = []
        for item in scan.series:
            patient_id = Counter(header.patient_id for header in item.files).most_common(1)[0][0]
            if self.holds(pseudonymiser.patient(patient_id) or pseudonymiser.uid(item.identity)):
                series.append(item)
        others = [
            other
            for other in scan.others
            if self.holds(
                pseudonymiser.patient(other.patient_id)
                or pseudonymiser.uid(other.path.relative_to(root).as_posix())
            )
        ]
        return replace(scan, series=series, others=others)
