"""Every statement about evaluations: each is a job; its payload says what was asked, its result what was found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import DatasetVersion, Job, TrainingRun
from app.queue import ACTIVE
from app.queue import Job as Kind
from app.training.queries import finished_runs

KEPT = timedelta(days=2)
"""How long an uploaded file is kept after its evaluation has ended."""


def _of_run(project_id: int, run_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        Job.project_id == project_id,
        Job.kind == Kind.EVALUATE,
        Job.payload["run_id"].as_integer() == run_id,
    )


def evaluation(session: Session, run: TrainingRun, job_id: int) -> Job | None:
    return session.scalar(sa.select(Job).where(_of_run(run.project_id, run.id), Job.id == job_id))


def evaluations(session: Session, run: TrainingRun, *, limit: int = 20) -> Sequence[Job]:
    """Newest first."""
    query = sa.select(Job).where(_of_run(run.project_id, run.id)).order_by(Job.id.desc()).limit(limit)
    return session.scalars(query).all()


def finished_run(session: Session, project_id: int, number: int) -> TrainingRun:
    """NotFound where that run has no model."""
    found = finished_runs(session, project_id, number=number)
    if not found:
        raise NotFound("A run that this evaluation names has no model.")
    return found[0]


def version(session: Session, version_id: int) -> DatasetVersion:
    return session.get_one(DatasetVersion, version_id)


def ended_with_upload(session: Session) -> Sequence[Job]:
    """Evaluations that ended a while ago and whose uploaded file is still kept."""
    query = sa.select(Job).where(
        Job.kind == Kind.EVALUATE,
        Job.state.not_in(ACTIVE),
        Job.finished_at < sa.func.now() - KEPT,
        Job.payload["upload"]["stored"].as_string().is_not(None),
    )
    return session.scalars(query).all()
