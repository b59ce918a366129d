"""One mutated file, or series, through the whole intake, in a process of its own; what came of it."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
import sys
import traceback
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree
from types import FrameType

import numpy as np
import pandas as pd
import structlog

from components.ingest_dicom import run as ingest
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series_table import read_series_table
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from models.refusal import Code, RefusedError
from tests.fuzz.corpus import ROOT, Base, load_corpus
from tests.fuzz.mutations import mutate, mutate_pixels

SECONDS_MAX = 5  # of processor time: the wall clock of a busy machine would accuse the innocent
MEMORY_MAX = 1 << 30
PIXEL_SHARE, SERIES_SHARE = 0.1, 0.1
# Validation's verdict, and the step with its tables, cost more than all the rest: they take a part of the cases.
JUDGE_EVERY, STEP_EVERY = 4, 8
CODES = {code.value for code in Code}


class HungError(BaseException):
    """The case took more than its seconds; no `except Exception` may swallow it."""


@dataclass
class Outcome:
    """What came of one case.

    Attributes
    ----------
    result
        "read", "refused", or a broken promise: "crash", "hang", "memory", "uncoded", "lost", "wrong".
    """

    number: int
    base: str
    mutation: str
    result: str
    codes: tuple[str, ...] = ()
    detail: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


@dataclass
class Corpus:
    """The bases, and the sound HU of those whose pixels are mutated."""

    singles: list[Base]
    series: list[list[Base]]
    pixel_bases: list[Base] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixel_bases = [
            base for base in self.singles if base.pixels is not None and not base.encapsulated
        ]


def work(link: Connection, corpus_folder: Path, scratch: Path, seed: str, spoil: bool) -> None:
    """Answer case numbers with outcomes until None comes; `spoil` is for the test of this harness."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    corpus = Corpus(*load_corpus(corpus_folder))
    params = load_section(ROOT / "params.yaml", "validate", ValidateParams)
    run_case(corpus, scratch, "warm-up", 0, params)  # imports and caches are not the first case's
    limit = _address_space() + MEMORY_MAX
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, hung)
    if spoil:
        _spoil()
    link.send(None)
    while (number := link.recv()) is not None:
        link.send(run_case(corpus, scratch, seed, number, params))


def run_case(corpus: Corpus, scratch: Path, seed: str, number: int, params: ValidateParams) -> Outcome:
    """Write, ingest, judge."""
    rng = random.Random(f"{seed}:{number}")
    rmtree(scratch, ignore_errors=True)
    data = scratch / "series"
    data.mkdir(parents=True)
    draw = rng.random()
    sound: Base | None = None
    if draw < PIXEL_SHARE:
        sound = rng.choice(corpus.pixel_bases)
        name, mutation = sound.name, "pixels"
        (data / "0").write_bytes(mutate_pixels(rng, sound))
    elif draw < PIXEL_SHARE + SERIES_SHARE:
        name, mutation = _write_series(rng, rng.choice(corpus.series), data)
    else:
        base = rng.choice(corpus.singles)
        mutation, blob = mutate(rng, base)
        name = base.name
        (data / "0").write_bytes(blob)
    outcome = Outcome(number, name, mutation, "")
    _reset_peak()
    before = _status("VmRSS")
    _watch_memory.clear()
    signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    try:
        _judge(outcome, data, scratch, params)
        if sound is not None:
            _assert_pixels_alone(outcome, sound, data / "0")
    except HungError:
        outcome.result, outcome.detail = "hang", _where()
    except MemoryError:
        outcome.result, outcome.detail = "memory", _where()
    except Exception:  # noqa: BLE001 - whatever it is, it is what this looks for
        outcome.result, outcome.detail = "crash", _where()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    now = resource.getrusage(resource.RUSAGE_SELF)
    outcome.seconds = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
    outcome.megabytes = (_status("VmHWM") - before) / 1024
    if outcome.result in ("read", "refused") and (outcome.megabytes > 1024 or _watch_memory):
        outcome.result, outcome.detail = "memory", "; ".join(_watch_memory)
    return outcome


def _write_series(rng: random.Random, series: list[Base], data: Path) -> tuple[str, str]:
    """One file among sound ones, or all files damaged alike."""
    alike, chosen, mutation = rng.random() < 0.6, rng.randrange(len(series)), ""
    seed = rng.random()
    for number, base in enumerate(series):
        blob = base.blob
        if alike or number == chosen:
            mutation, blob = mutate(random.Random(seed), base)
        (data / f"{number}").write_bytes(blob)
    return f"series of {series[0].name}", f"{mutation} ({'all' if alike else 'one'})"


def _judge(outcome: Outcome, data: Path, scratch: Path, params: ValidateParams) -> None:
    pseudonymiser, ingest_params = Pseudonymiser(SIMULATED_KEY), IngestParams(workers=1)
    scan = scan_folder(data)
    files = len(list(data.iterdir()))
    if not files == scan.file_count == sum(len(series.files) for series in scan.series) + len(scan.others):
        outcome.result, outcome.detail = "lost", f"{files} files, {scan.file_count} found"
        return
    rows = [inspect_series(series, pseudonymiser, ingest_params) for series in scan.series]
    codes = Counter(other.code.value for other in scan.others)
    outcome.detail = "; ".join(other.found for other in scan.others)
    if outcome.number % STEP_EVERY == 0:  # the tables too, and what a site lays beside its series
        (scratch / "levels").mkdir()
        ingest.run(data=scratch, out=scratch / "out", key=SIMULATED_KEY, params=ingest_params)
        series_table = read_series_table(scratch / "out" / "series.parquet")
        assert series_table["file_count"].sum() + len(scan.others) == files
    read = 0
    for number, row in enumerate(rows):
        read_codes = row.read_codes.split()
        codes.update(read_codes)
        read += not read_codes
        if outcome.number % JUDGE_EVERY == 0 and number == 0:
            verdict = check_series(pd.DataFrame([asdict(row)]), params)
            codes.update(refusal.code.value for refusal in verdict.refusals)
    outcome.codes = tuple(sorted(codes))
    unknown = set(codes) - CODES
    if unknown or "MemoryError" in outcome.detail:
        outcome.result, outcome.detail = ("uncoded", str(unknown)) if unknown else ("memory", outcome.detail)
    else:
        outcome.result = "read" if read else "refused"
    if not read and not codes:
        outcome.result, outcome.detail = "uncoded", "neither read nor refused"


def _assert_pixels_alone(outcome: Outcome, sound: Base, path: Path) -> None:
    """Where only pixel bytes changed, HU differ where they changed and nowhere else."""
    found = scan_folder(path)
    reference = path.with_name("sound")
    reference.write_bytes(sound.packed(sound.blob))
    expected = scan_folder(reference)
    if not expected.series or _hu(expected) is None:
        return  # the sound file is refused as well (a segmentation, several frames)
    sound_hu, hu = _hu(expected), _hu(found) if found.series else None
    if hu is None or sound_hu is None or hu.shape != sound_hu.shape:
        outcome.result, outcome.detail = "wrong", f"pixel bytes changed and the file is {outcome.codes}"
        return
    assert sound.pixels is not None
    start, end = sound.pixels.value, sound.pixels.end
    mutated = path.read_bytes()
    if sound.deflated:
        mutated = mutated[: sound.head] + zlib.decompress(mutated[sound.head :], -zlib.MAX_WBITS)
    stored = [np.frombuffer(blob[start:end], "u1")[: hu.size * 2] for blob in (sound.blob, mutated)]
    changed = (stored[0] != stored[1]).reshape(-1, 2).any(axis=1).reshape(hu.shape)
    if (hu != sound_hu)[~changed].any():
        outcome.result, outcome.detail = "wrong", "HU changed where no byte did"


def _hu(result: object) -> np.ndarray | None:
    try:
        return read_volume(result.series[0]).hu  # type: ignore[attr-defined]
    except RefusedError:
        return None


# ------------------------------------------------------------------------------------------ seconds and memory

_watch_memory: list[str] = []
_plain_init = RefusedError.__init__


def _watching_init(self: RefusedError, *refusals: object) -> None:
    """A refusal whose cause is a MemoryError is a file that asked for more than it may have."""
    if isinstance(sys.exc_info()[1], MemoryError):
        _watch_memory.append(str(refusals))
    _plain_init(self, *refusals)  # type: ignore[arg-type]


RefusedError.__init__ = _watching_init  # type: ignore[method-assign]


def hung(signum: int, frame: FrameType | None) -> None:
    raise HungError


def _spoil() -> None:
    """From now on case 0 crashes, 1 asks for 2 GB, 2 never ends and 3 ends the process."""

    def judge(outcome: Outcome, *_: object) -> None:
        if outcome.number == 0:
            raise IndexError("spoilt")
        if outcome.number == 1:
            bytearray(2 << 30)
        if outcome.number == 3:
            os._exit(139)
        while True:
            pass

    globals().update(_judge=judge, SECONDS_MAX=0.3)


def _where() -> str:
    lines = [line for line in traceback.format_exc().splitlines() if line.strip()]
    ours = [line.strip() for line in lines if "/components/" in line or "/pydicom/" in line]
    return f"{lines[-1][:200]} @ {' <- '.join(reversed(ours[-3:]))}"


def _address_space() -> int:
    return int(_status("VmSize") * 1024)


def _status(name: str) -> float:
    """A kB figure of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return float(line.split()[1])
    return 0.0


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
