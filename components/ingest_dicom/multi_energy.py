"""What the multi-energy attributes of a CT image say of detector and energy (DICOM PS3.3 C.8.2.2 and C.8.15)."""

from __future__ import annotations

from collections.abc import Iterator

from components.ingest_dicom.values import Values

SEQUENCES = ("MultienergyCTAcquisitionSequence", "MultienergyCTCharacteristicsSequence")
DETECTORS = "MultienergyCTXRayDetectorSequence"
# what is read inside them
NESTED = (DETECTORS, "MultienergyDetectorType", "MonoenergeticEnergyEquivalent")
MONOENERGETIC = "MONOENERGETIC"


def multi_energy(values: Values) -> tuple[str, ...]:
    """Types of its detectors (INTEGRATING, MULTILAYER, PHOTON_COUNTING), and MONOENERGETIC for an image of one energy.

    Each once, in order of appearance; () for an ordinary image.
    """
    return tuple(dict.fromkeys(_found(values)))


def _found(values: Values) -> Iterator[str]:
    for name in SEQUENCES:
        for item in values.items(name):
            for detector in item.items(DETECTORS):
                yield from filter(None, (detector.text("MultienergyDetectorType").upper(),))
            if item.number("MonoenergeticEnergyEquivalent") > 0:
                yield MONOENERGETIC
