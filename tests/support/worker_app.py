"""The worker's Celery application with one handler for tests: it notes that it runs, and works until it is let go."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from app import audit
from app.database import JSON, unit_of_work
from app.models import Job as JobRow
from app.queue import Job, Reporter
from workers.celery_app import app
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
