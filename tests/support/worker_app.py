"""The worker's Celery application for tests: a handler that works until it is let go, and trainings that meet a fault.

The handler notes that it runs. A training meets what the file `faults.json` in the folder TEST_FAULTS says for its
attempt: {"RUN-ATTEMPT": [step, fault]}, where the fault is `kill` (SIGKILL to the child), `full` (its disk takes no
more than a few bytes) or `pause` (SIGSTOP to the worker), at the moment at which the child reports that step.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

from app import audit
from app.database import JSON, unit_of_work
from app.models import Job as JobRow
from app.queue import Job, Reporter
from workers import schedule
from workers.celery_app import app
from workers.runner import run
from workers.runner.process import Event, TrainingProcess
from workers.tasks.handlers import HANDLERS

__all__ = ["app"]
KIND = Job.SIMULATE_ANNOTATORS


def hold(job: JobRow, reporter: Reporter) -> JSON:
    """Works in small steps until the file `go` is there; its outcome is one audit row, written under the fence."""
    folder = Path(job.payload["folder"])
    with (folder / "runs").open("a") as runs:
        runs.write(f"{job.id} {os.getpid()} {job.attempt}\n")
    pause = threading.Event()
    while not (folder / "go").exists():
        reporter(progress=0.5, phase="holding")
        pause.wait(0.02)
    with unit_of_work() as session:
        audit.record(session, "test.held", actor_id=None, attempt=job.attempt, job_id=job.id)
        reporter.fence(session)
    return {"attempt": job.attempt}


HANDLERS[KIND] = hold

if "TEST_TICK_SECONDS" in os.environ:
    app.conf.beat_schedule = {"purge": schedule.every(Job.PURGE, int(os.environ["TEST_TICK_SECONDS"]))}


class Unlucky(TrainingProcess):
    """The real training process, until its step comes."""

    def __init__(self, *given: Any, folder: Path, **named: Any) -> None:
        super().__init__(*given, folder=folder, **named)
        _, run_id, _, attempt = folder.name.split("-")
        noted = Path(os.environ["TEST_FAULTS"]) / "faults.json"
        faults = json.loads(noted.read_text()) if noted.exists() else {}
        self.step, self.fault = faults.get(f"{run_id}-{attempt}", (None, None))

    def next(self, seconds: float) -> Event | None:
        event = super().next(seconds)
        if event is not None and event["event"] == "step" and event["step"] == self.step:
            if self.fault == "kill":
                self.kill()
            elif self.fault == "full":
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
            elif self.fault == "pause":
                os.kill(os.getpid(), signal.SIGSTOP)
        return event


if "TEST_FAULTS" in os.environ:
    run.TrainingProcess = Unlucky  # type: ignore[misc]
