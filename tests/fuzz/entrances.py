"""The other doors of the intake: level files, NIfTI, DICOMDIR, archives, DXA tables, params.yaml, the copy.

Each function puts one damaged source through its door and answers with the codes it was given; what it raises that is
no coded refusal, or no one-line error about input, is what the fuzz looks for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.nifti import read_nifti
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.source import Source, open_source
from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.params import LevelRules, PrepareParams
from components.prepare_vertebrae.wanted_series import WantedSeries
from components.validate_dicom.dxa_table import read_dxa_table
from components.validate_dicom.params import ValidateParams
from models.errors import InputError, ParameterError
from models.params import load_section
from models.refusal import RefusedError
from tests.fuzz.archive_damage import damaged_archive
from tests.fuzz.corpus import ROOT, Base
from tests.fuzz.mutations import mutate
from tests.fuzz.nifti_damage import damaged_nifti
from tests.fuzz.text_damage import ALIAS_BOMB, damaged_text

LINE_MAX = 4000  # characters; a message for a person
SECTIONS = {"ingest": IngestParams, "validate": ValidateParams, "prepare": PrepareParams}
SCHEMES = ("totalseg", "verse", "totalseg_v3", None, "other")


@dataclass(frozen=True)
class Answer:
    """What a door answered.

    Attributes
    ----------
    codes
        Of `models/refusal.py`; a refusal of another kind (a table that is none) has its class' name in `refused_as`.
    lost
        How counts do not add up; "" when they do.
    """

    read: bool
    codes: tuple[str, ...] = ()
    refused_as: str = ""
    lost: str = ""


@dataclass(frozen=True)
class Doors:
    """Sound files of each kind; see `corpus.write_corpus`."""

    level_objects: list[Base]
    level_files: list[Path]
    media: list[Base]
    images: list[Base]
    tables: list[Path]


def door(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    """Name of what is damaged, kind of damage, and the call to be judged; files are written into `folder`."""
    makers = (
        _levels,
        _levels,
        _levels,
        _level_file,
        _level_file,
        _medium,
        _archive,
        _archive,
        _dxa,
        _params,
        _copy,
    )
    return rng.choice(makers)(rng, doors, folder)


def _levels(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    base = rng.choice(doors.level_objects)
    damage, blob = mutate(rng, base)
    path = folder / "levels.dcm"
    path.write_bytes(blob)
    return base.name, f"level object: {damage}", lambda: _read_levels(path, None)


def _level_file(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    sound = rng.choice(doors.level_files)
    path, raw, scheme = folder / sound.name, sound.read_bytes(), rng.choice(SCHEMES)
    if sound.suffix == ".csv":
        kind, (damage, blob) = "centre table", damaged_text(rng, raw)
    else:
        kind, (damage, blob) = "NIfTI", damaged_nifti(rng, raw, packed=sound.suffix == ".gz")
    path.write_bytes(blob)
    return sound.name, f"{kind}: {damage}", lambda: _read_levels(path, scheme)


def _read_levels(path: Path, scheme: str | None) -> Answer:
    if path.name.endswith((".nii", ".nii.gz")):
        _refused_or_none(lambda: read_nifti(path))
    wanted = WantedSeries("1.2.3", frozenset(("1.2.3.4",)) if scheme == "other" else frozenset())
    return _refused_or_none(lambda: read_spine(path, _rules(), scheme=scheme, wanted=wanted))


def _medium(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    base = rng.choice(doors.media)
    damage, blob = mutate(rng, base)
    (folder / "DICOMDIR").write_bytes(blob)
    for number, image in enumerate(rng.sample(doors.images, 2)):
        (folder / f"I{number}").write_bytes(image.packed(image.blob))
    place = rng.choice((folder, folder / "DICOMDIR"))
    return base.name, f"DICOMDIR: {damage}", lambda: _scan(place, folder.parent / "scratch")


def _archive(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    images = [image.packed(image.blob) for image in rng.sample(doors.images, 3)]
    damage, blob = damaged_archive(rng, images)
    path = folder / "archive"
    path.write_bytes(blob)
    return "archive", f"archive: {damage}", lambda: _scan(path, folder.parent / "scratch")


def _scan(place: Path, scratch: Path) -> Answer:
    """Scan a source: what lies there and what is coded add up, and nothing is left of its scratch folder."""
    before = _tree(scratch.parent)
    lost = ""

    def read() -> tuple[int, tuple[str, ...]]:
        nonlocal lost
        with open_source(Source(str(place)), scratch=scratch, params=IngestParams()) as opened:
            found = opened.scan(workers=1)
            folder = opened.folder
            lying = sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 1
        listed = sum(other.kind in ("listed file", "DICOMDIR") for other in found.others)
        if found.file_count != lying + len(opened.refused) + listed:
            lost = f"{lying} files and {len(opened.refused) + listed} coded, {found.file_count} counted"
        return len(found.series), tuple(other.code.value for other in found.others)

    answer = _refused_or_none(read)
    left = _tree(scratch.parent) - before - {scratch}
    return replace(answer, lost=lost or (f"{len(left)} files left behind" if left else ""))


@cache
def _rules() -> LevelRules:
    return load_section(ROOT / "params.yaml", "prepare", PrepareParams).levels


def _tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _dxa(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    sound = rng.choice(doors.tables)
    damage, blob = damaged_text(rng, sound.read_bytes())
    path = folder / "dxa.csv"
    path.write_bytes(blob)
    return (
        sound.name,
        f"DXA table: {damage}",
        lambda: _refused_or_none(
            lambda: read_dxa_table(path, Pseudonymiser(b"a key of these tests, not secret"))
        ),
    )


def _params(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    sound = (ROOT / "params.yaml").read_bytes()
    damage, blob = damaged_text(rng, sound)
    if rng.random() < 0.1:
        damage, blob = "alias bomb", ALIAS_BOMB
    path = folder / "params.yaml"
    path.write_bytes(blob)
    name = rng.choice(sorted(SECTIONS))
    return (
        "params.yaml",
        f"params: {damage}",
        lambda: _refused_or_none(lambda: load_section(path, name, SECTIONS[name])),
    )


def _copy(rng: random.Random, doors: Doors, folder: Path) -> tuple[str, str, Callable[[], Answer]]:
    base = rng.choice((*doors.images, *doors.level_objects))
    damage, blob = mutate(rng, base)
    (folder / "0").write_bytes(blob)
    return base.name, f"copy: {damage}", lambda: _deidentified(folder)


def _deidentified(folder: Path) -> Answer:
    done = deidentify_folder(folder, folder.parent / "copy", Pseudonymiser(SIMULATED_KEY))
    counted = done.dicom_copied + done.tables_copied + done.files_refused
    lost = "" if counted == done.files_read == 1 else f"1 file, {counted} counted"
    return Answer(done.dicom_copied > 0, tuple(done.refused_by_code), lost=lost)


def _refused_or_none(call: Callable[[], object]) -> Answer:
    try:
        found = call()
    except RefusedError as error:
        return Answer(False, tuple(code.value for code in error.codes))
    except (InputError, ParameterError) as error:
        line = str(error)
        if "\n" in line or len(line) > LINE_MAX:
            raise AssertionError(f"a message of {len(line)} characters: {line[:80]!r}") from error
        return Answer(False, refused_as=type(error).__name__)
    if isinstance(found, tuple):
        series, codes = found
        return Answer(series > 0, codes)
    return Answer(True)
