"""Every statement of the training slice's pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.models import (
    Annotator,
    Checkpoint,
    DatasetVersion,
    DeviceSlot,
    Job,
    JobState,
    TrainingLog,
    TrainingMetric,
    TrainingRun,
)
from app.queue import ACTIVE
from app.queue import Job as Kind

POLICIES = ("sft", "dpo")
"""Algorithms whose result is a language model, which another run may begin with."""
SCORERS = ("reward_model",)
ALGORITHMS = (*SCORERS, *POLICIES)


def next_number(session: Session, project_id: int) -> int:
    """Call it with the project locked, so that two runs never draw one number."""
    newest = session.scalar(sa.select(sa.func.max(TrainingRun.number)).where(TrainingRun.project_id == project_id))
    return (newest or 0) + 1


def run_by_number(session: Session, project_id: int, number: int) -> TrainingRun | None:
    return session.scalar(
        sa.select(TrainingRun).where(TrainingRun.project_id == project_id, TrainingRun.number == number)
    )


def finished_policies(session: Session, project_id: int, *, number: int | None = None) -> Sequence[TrainingRun]:
    """Runs that ended with a language model, newest first."""
    return finished_runs(session, project_id, POLICIES, number=number)


def finished_runs(
    session: Session,
    project_id: int,
    algorithms: Sequence[str] = ALGORITHMS,
    *,
    number: int | None = None,
    limit: int = 50,
) -> Sequence[TrainingRun]:
    """Runs that ended with a model, newest first."""
    query = (
        sa.select(TrainingRun)
        .where(
            TrainingRun.project_id == project_id,
            TrainingRun.algorithm.in_(algorithms),
            TrainingRun.result.is_not(None),
            TrainingRun.files.is_not(None),
        )
        .order_by(TrainingRun.number.desc())
        .limit(limit)
    )
    if number is not None:
        query = query.where(TrainingRun.number == number)
    return session.scalars(query).all()


def runs_with_jobs(
    session: Session, project_id: int, *, before: int | None = None, number: int | None = None, limit: int = 50
) -> Sequence[Any]:
    """(run, its job, number of its data set version, pseudonym of who started it), newest first."""
    query = (
        sa.select(TrainingRun, Job, DatasetVersion.number, Annotator.pseudonym)
        .join(DatasetVersion, DatasetVersion.id == TrainingRun.dataset_version_id)
        .outerjoin(Job, Job.id == TrainingRun.job_id)
        .outerjoin(Annotator, Annotator.user_id == TrainingRun.created_by_id)
        .where(TrainingRun.project_id == project_id)
        .order_by(TrainingRun.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(TrainingRun.number < before)
    if number is not None:
        query = query.where(TrainingRun.number == number)
    return session.execute(query).all()


def queue_of_devices(session: Session, *, limit: int = 50) -> Sequence[Any]:
    """(job, the run it trains or evaluates or None, its device slot or None): first those that run, then in line.

    Over the whole installation. A slot whose attempt is no longer the job's own holds nothing.
    """
    query = (
        sa.select(Job, TrainingRun, DeviceSlot)
        .outerjoin(TrainingRun, TrainingRun.id == Job.payload["run_id"].as_integer())
        .outerjoin(DeviceSlot, sa.and_(DeviceSlot.job_id == Job.id, DeviceSlot.attempt == Job.attempt))
        .where(Job.kind.in_((Kind.TRAIN, Kind.EVALUATE)), Job.state.in_(ACTIVE))
        .order_by(sa.case((Job.state == JobState.RUNNING, 0), else_=1), Job.available_at, Job.id)
        .limit(limit)
    )
    return session.execute(query).all()


def metrics(session: Session, job_id: int, *, kind: str, after: int, limit: int) -> Sequence[Any]:
    """(step, attempt, values) after that step, in order; of several attempts at a step the highest holds."""
    query = (
        sa.select(TrainingMetric.step, TrainingMetric.attempt, TrainingMetric.values)
        .where(TrainingMetric.job_id == job_id, TrainingMetric.kind == kind, TrainingMetric.step > after)
        .ext(distinct_on(TrainingMetric.step))
        .order_by(TrainingMetric.step, TrainingMetric.attempt.desc())
        .limit(limit)
    )
    return session.execute(query).all()


def thinned_metrics(session: Session, job_id: int, *, kind: str, points: int) -> Sequence[Any]:
    """As `metrics`, from the beginning, but about `points` of them, evenly taken, the last among them."""
    distinct = (
        sa.select(TrainingMetric.step, TrainingMetric.attempt, TrainingMetric.values)
        .where(TrainingMetric.job_id == job_id, TrainingMetric.kind == kind)
        .ext(distinct_on(TrainingMetric.step))
        .order_by(TrainingMetric.step, TrainingMetric.attempt.desc())
        .subquery()
    )
    numbered = sa.select(
        distinct,
        sa.func.row_number().over(order_by=distinct.c.step.desc()).label("place"),
        sa.func.count().over().label("total"),
    ).subquery()
    every = sa.func.ceil(numbered.c.total / sa.literal(float(points)))
    query = (
        sa.select(numbered.c.step, numbered.c.attempt, numbered.c["values"])
        .where(sa.func.mod(numbered.c.place - 1, sa.cast(every, sa.BigInteger)) == 0)
        .order_by(numbered.c.step)
    )
    return session.execute(query).all()


def newest(session: Session, job_id: int, *, kind: str) -> Any:
    """(step, attempt, values) of the last point of the newest attempt; None before the first."""
    return session.execute(
        sa.select(TrainingMetric.step, TrainingMetric.attempt, TrainingMetric.values)
        .where(TrainingMetric.job_id == job_id, TrainingMetric.kind == kind)
        .order_by(TrainingMetric.attempt.desc(), TrainingMetric.step.desc())
        .limit(1)
    ).one_or_none()


def log_tail(session: Session, job_id: int, *, limit: int) -> list[TrainingLog]:
    """The last lines, oldest first."""
    found = session.scalars(
        sa.select(TrainingLog).where(TrainingLog.job_id == job_id).order_by(TrainingLog.id.desc()).limit(limit)
    )
    return list(found)[::-1]


def log_after(session: Session, job_id: int, *, after: int, limit: int) -> Sequence[Any]:
    """(id, at, attempt, level, message) of the lines after that id, oldest first."""
    query = (
        sa.select(TrainingLog.id, TrainingLog.at, TrainingLog.attempt, TrainingLog.level, TrainingLog.message)
        .where(TrainingLog.job_id == job_id, TrainingLog.id > after)
        .order_by(TrainingLog.id)
        .limit(limit)
    )
    return session.execute(query).all()


def checkpoints(session: Session, run_id: int) -> list[Checkpoint]:
    """All that were ever kept, newest first."""
    return list(
        session.scalars(
            sa.select(Checkpoint)
            .where(Checkpoint.run_id == run_id)
            .order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc())
        )
    )


def device_of(session: Session, job: Job) -> DeviceSlot | None:
    """The device that the job's current attempt holds."""
    return session.scalar(
        sa.select(DeviceSlot).where(DeviceSlot.job_id == job.id, DeviceSlot.attempt == job.attempt).limit(1)
    )
