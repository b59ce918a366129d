"""One case again, in this process, with its traceback: `python -m tests.fuzz SEED NUMBER [CORPUS]`."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from components.validate_dicom.params import ValidateParams
from models.params import load_section
from tests.fuzz.corpus import ROOT, load_corpus, real_data, write_corpus
from tests.fuzz.one_case import Corpus, hung, run_case

seed, number = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory() as name:
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(name) / "corpus"
    if not folder.exists():
        write_corpus(folder, real=real_data())
    signal.signal(signal.SIGPROF, hung)
    params = load_section(ROOT / "params.yaml", "validate", ValidateParams)
    print(run_case(Corpus(*load_corpus(folder)), Path(name) / "scratch", seed, number, params))  # noqa: T201
