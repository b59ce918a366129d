"""One mutated file, series or source through the intake; what came of it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shutil import rmtree

import pandas as pd

from components.ingest_dicom import run as ingest
from components.ingest_dicom.headers import Header
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.pydicom_header import read_by_pydicom
from components.ingest_dicom.read_header import quick_header
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series_table import read_series_table
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from models.refusal import Code
from tests.fuzz import limits
from tests.fuzz.corpus import ROOT, Base, load_corpus
from tests.fuzz.entrances import Answer, Doors, door
from tests.fuzz.mutations import mutate
from tests.fuzz.other_sources import load_doors
from tests.fuzz.pixel_values import by_this_project, mutate_pixels, wrong_pixels

REAL_SHARE = 0.6  # of files, besides those that any draw takes
PIXEL_SHARE, SERIES_SHARE, DOOR_SHARE = 0.1, 0.06, 0.14
# Validation's verdict, and the step with its tables, cost more than all the rest: they take a part of the cases.
JUDGE_EVERY, STEP_EVERY = 32, 16
CODES = {code.value for code in Code}


@dataclass
class Outcome:
    """What came of one case.

    Attributes
    ----------
    base
        What was damaged: a file of the corpus, by name.
    result
        "read", "refused", or a broken promise: "crash", "hang", "memory", "uncoded", "lost", "wrong".
    """

    number: int
    base: str = "?"
    mutation: str = "?"
    result: str = ""
    codes: tuple[str, ...] = ()
    detail: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


@dataclass
class Corpus:
    """The bases, those of which the pixels are read, and what comes through the other doors."""

    singles: list[Base]
    series: list[list[Base]]
    doors: Doors
    pixel_bases: list[Base] = field(default_factory=list)

    @property
    def real(self) -> list[Base]:
        """Single files of the shared corpus."""
        return [base for base in self.singles if not base.name.startswith("factory-")]

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """From what `corpus.write_corpus` and `other_sources.write_other_sources` left."""
        singles, series = load_corpus(folder)
        sound = [
            base for base in singles
            if base.pixels is not None and by_this_project(folder / "single" / base.name) is not None
        ]  # fmt: skip
        return cls(singles, series, load_doors(folder), sound)


@dataclass(frozen=True)
class Intake:
    """The parameters that cases are judged under."""

    validate: ValidateParams
    ingest: IngestParams = field(default_factory=lambda: IngestParams(workers=1))

    @classmethod
    def load(cls) -> Intake:
        """From the project's params.yaml."""
        return cls(load_section(ROOT / "params.yaml", "validate", ValidateParams))


def run_case(corpus: Corpus, scratch: Path, seed: str, number: int, intake: Intake) -> Outcome:
    """Write what the number draws, put it through the intake, and judge."""
    rng = random.Random(f"{seed}:{number}")
    rmtree(scratch, ignore_errors=True)
    data = scratch / "series"
    data.mkdir(parents=True)
    outcome, spent = Outcome(number), limits.Spent()
    judge = _drawn(rng, corpus, data, outcome, intake)
    files = max(1, len(list(data.iterdir())))
    allowed = limits.SECONDS_MAX * files  # of a small series: for each of its files
    try:
        with limits.measured(spent, allowed):
            judge()
    except limits.HungError:
        outcome.result, outcome.detail = "hang", limits.where()
    except MemoryError:
        outcome.result, outcome.detail = "memory", limits.where()
    except Exception:  # noqa: BLE001 - whatever it is, it is what this looks for
        outcome.result, outcome.detail = "crash", limits.where()
    outcome.seconds, outcome.megabytes = spent.seconds, spent.megabytes
    if outcome.result in ("read", "refused"):
        if spent.megabytes > limits.MEMORY_MAX >> 20 or spent.out_of_memory:
            outcome.result, outcome.detail = "memory", spent.out_of_memory
        elif spent.seconds > allowed:  # in one call that no signal ends
            outcome.result = "hang"
    return outcome


def _drawn(rng: random.Random, corpus: Corpus, data: Path, outcome: Outcome, intake: Intake):  # type: ignore[no-untyped-def]
    """Write the damaged files; the call that judges them."""
    draw = rng.random()
    if draw < PIXEL_SHARE:
        base = rng.choice(corpus.pixel_bases)
        case = mutate_pixels(rng, base)
        outcome.base, outcome.mutation = base.name, f"pixels: {case.how}"
        (data / "0").write_bytes(case.raw)

        def judge_pixels() -> None:
            judge_files(outcome, data, intake)
            if wrong := wrong_pixels(case, data / "0"):
                outcome.result, outcome.detail = "wrong", wrong

        return judge_pixels
    if draw < PIXEL_SHARE + DOOR_SHARE:
        outcome.base, outcome.mutation, call = door(rng, corpus.doors, data)
        return lambda: _judge_answer(outcome, call())
    if draw < PIXEL_SHARE + DOOR_SHARE + SERIES_SHARE:
        outcome.base, outcome.mutation = _write_series(rng, rng.choice(corpus.series), data)
        return lambda: judge_files(outcome, data, intake)
    base = rng.choice(corpus.real if corpus.real and rng.random() < REAL_SHARE else corpus.singles)
    outcome.mutation, blob = mutate(rng, base)
    outcome.base = base.name
    (data / "0").write_bytes(blob)

    def judge_file() -> None:
        judge_files(outcome, data, intake)
        if wrong := other_header(data / "0"):
            outcome.result, outcome.detail = "wrong", wrong

    return judge_file


def _write_series(rng: random.Random, series: list[Base], data: Path) -> tuple[str, str]:
    """One file among sound ones, or all files damaged alike."""
    alike, chosen, mutation = rng.random() < 0.6, rng.randrange(len(series)), ""
    seed = rng.random()
    for number, base in enumerate(series):
        blob = base.packed(base.blob)
        if alike or number == chosen:
            mutation, blob = mutate(random.Random(seed), base)
        (data / f"{number}").write_bytes(blob)
    return f"series of {series[0].name}", f"{mutation} ({'all' if alike else 'one'})"


def judge_files(outcome: Outcome, data: Path, intake: Intake) -> None:
    """Scan, header, pixels, row of the table; for some cases the verdict and the whole step with its tables too."""
    pseudonymiser = Pseudonymiser(SIMULATED_KEY)
    scan = scan_folder(data)
    files = len(list(data.iterdir()))
    if not files == scan.file_count == sum(len(series.files) for series in scan.series) + len(scan.others):
        outcome.result, outcome.detail = "lost", f"{files} files, {scan.file_count} found"
        return
    rows = [inspect_series(series, pseudonymiser, intake.ingest) for series in scan.series]
    codes = Counter(other.code.value for other in scan.others)
    outcome.detail = "; ".join(other.found for other in scan.others)
    if outcome.number % STEP_EVERY == 0:  # the tables too
        out = data.parent / "out"
        ingest.run(data=data.parent, out=out, key=SIMULATED_KEY, params=intake.ingest)
        table = read_series_table(out / "series.parquet")
        if table["file_count"].sum() + len(scan.others) != files:
            outcome.result, outcome.detail = "lost", "the tables do not add up to the files"
            return
    read = 0
    for number, row in enumerate(rows):
        read_codes = row.read_codes.split()
        codes.update(read_codes)
        read += not read_codes
        if outcome.number % JUDGE_EVERY == 0 and number == 0:
            verdict = check_series(pd.DataFrame([asdict(row)]), intake.validate)
            codes.update(refusal.code.value for refusal in verdict.refusals)
    _conclude(outcome, tuple(sorted(codes)), read=read > 0)


def _conclude(outcome: Outcome, codes: tuple[str, ...], *, read: bool, refused_as: str = "") -> None:
    outcome.codes = codes
    unknown = set(codes) - CODES
    if unknown:
        outcome.result, outcome.detail = "uncoded", str(unknown)
    elif "MemoryError" in outcome.detail or "more memory than there is" in outcome.detail:
        outcome.result = "memory"
    elif not read and not codes and not refused_as:
        outcome.result, outcome.detail = "uncoded", "neither read nor refused"
    else:
        outcome.result = "read" if read else "refused"


def _judge_answer(outcome: Outcome, answer: Answer) -> None:
    outcome.detail = answer.refused_as
    if answer.lost:
        outcome.result, outcome.detail = "lost", answer.lost
    else:
        _conclude(outcome, tuple(sorted(set(answer.codes))), read=answer.read, refused_as=answer.refused_as)


def other_header(path: Path) -> str:
    """How the quick reader and pydicom disagree about a file that the quick one takes; "" when they do not."""
    quick = quick_header(path)
    if quick is None:
        return ""
    plain = read_by_pydicom(path)
    if repr(quick) == repr(plain):
        return ""
    if not isinstance(plain, Header):
        return f"read at once, and by pydicom {plain.code}: {plain.found}"
    quick, plain = replace(quick, frames=()), replace(plain, frames=())
    names = [name for name in quick.__slots__ if repr(getattr(quick, name)) != repr(getattr(plain, name))]
    return f"another header than pydicom's: {', '.join(names) or 'frames'}"
