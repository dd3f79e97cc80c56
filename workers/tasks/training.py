"""Jobs of trainings and evaluations: their payload names a run; the device is taken with the claim."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.database import JSON
from app.models import Job as JobRow
from workers.pulse import Reporter
from workers.runner import evaluate as evaluation
from workers.runner import run


def train(job: JobRow, reporter: Reporter) -> JSON:
    return run.run(job, reporter)


def evaluate(job: JobRow, reporter: Reporter) -> JSON:
    return evaluation.evaluate(job, reporter)


def take_device(session: Session, job: JobRow) -> str | None:
    return run.take_device(session, job)
