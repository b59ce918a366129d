"""One KFP pipeline in a process group of its own: followed, stopped, and written down whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.step import COMMIT_VARIABLE, RECORDS_VARIABLE, RESUME_VARIABLE
from models.errors import OsteoGateError
from pipelines.manifest import Manifest, RunFacts, build_manifest, write_manifest
from pipelines.step_records import StepRecord, read_records
from pipelines.steps import STEPS
from pipelines.telemetry import TELEMETRY_OFF
from pipelines.workspace import Workspace

POLL_SECONDS = 0.3
RECORDS_FOLDER = "steps"
RUN_LOG = "run.log"
SOURCE_ROOT = Path(__file__).resolve().parent.parent  # the code that runs; a workspace may lie elsewhere
Show = Callable[[dict[str, StepRecord]], None]


class RunFailedError(OsteoGateError):
    """A step failed; carries the step's own exit code and its one line."""

    def __init__(self, message: str, exit_code: int, manifest: Manifest) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.manifest = manifest


@dataclass(frozen=True)
class Work:
    """What to carry out.

    Attributes
    ----------
    folder
        Of the run; its step records are kept and added to.
    plan
        JSON file for `pipelines.kfp_local`.
    log
        Name of the log in the folder.
    resume
        Said to the steps: go on where an interrupted one stopped.
    again
        Command that goes on after an interruption.
    """

    folder: Path
    plan: Path
    facts: RunFacts
    log: str = RUN_LOG
    resume: bool = False
    again: str = "osteogate run --resume"


def carry_out(work: Work, workspace: Workspace, show: Show) -> Manifest:
    """Run the planned pipeline to its end.

    Raises
    ------
    RunFailedError
        A step failed; the manifest is written all the same.
    KeyboardInterrupt
        After the steps' processes were stopped and the manifest written.
    """
    folder, records_folder = work.folder, work.folder / RECORDS_FOLDER
    records_folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **TELEMETRY_OFF,
        "PYTHONUNBUFFERED": "1",
        RECORDS_VARIABLE: str(records_folder),
        COMMIT_VARIABLE: work.facts.git_commit or "",
        RESUME_VARIABLE: "1" if work.resume else "",
    }

    def records() -> dict[str, StepRecord]:
        return read_records(records_folder, folder / RUN_LOG, workspace.home / "kfp" / "cache")

    def conclude(state: str, error: str | None = None) -> Manifest:
        manifest = build_manifest(
            folder, state=state, error=error, records=records(), workspace=workspace, facts=work.facts
        )
        write_manifest(manifest, folder)
        return manifest

    def terminated(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    conclude("running")
    previous = signal.signal(signal.SIGTERM, terminated)
    with (folder / work.log).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.kfp_local", str(work.plan)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=SOURCE_ROOT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                show(records())
                time.sleep(POLL_SECONDS)
        except BaseException:
            _stop(process)
            conclude("interrupted", f"interrupted; go on with: {work.again}")
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
    show(records())
    _link_outputs(folder, records())
    if process.returncode == 0:
        return conclude("done")
    failed = next((record for record in records().values() if record.state == "failed"), None)
    if failed is None:
        line, code = f"the pipeline ended without a step's word; see {folder / work.log}", 1
    else:
        line, code = f"{failed.name}: {failed.error}", failed.exit_code or 1
    raise RunFailedError(line, code, conclude("failed", line))


def _link_outputs(folder: Path, records: dict[str, StepRecord]) -> None:
    """`runs/<id>/<step>` leads to the step's output, whichever run made it."""
    for step in STEPS:
        output = records[step.name].output
        link = folder / step.name
        if output is not None and output.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(output)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the steps' whole process group, gently first."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
