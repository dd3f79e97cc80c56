"""The one job table: enqueue writes a row; the wake-up leaves after the commit and dies with a rollback.

The row is the truth. A Celery message carries a job id and is a mere wake-up: sent twice it changes nothing, lost it
is sent again by the sweep. `attempt` fences every write of a worker, so that a paused zombie cannot overwrite the
work of its successor.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
import structlog
from celery import Celery
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.config import settings
from app.database import JSON, after_commit, unit_of_work
from app.errors import Conflict, NotFound
from app.models import Job as JobRow
from app.models import JobState

log = structlog.get_logger(__name__)

WAKE_UP_TASK = "accord.run_job"
MAX_FAILURES = 3
SWEEP_LIMIT = 100
ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class Job(StrEnum):
    """Every kind of background work. The worker's table of handlers must name each of them."""

    IMPORT_TASKS = "import_tasks"
    PREVIEW_IMPORT = "preview_import"
    SIMULATE_ANNOTATORS = "simulate_annotators"
    PURGE = "purge"
    SEND_MAIL = "send_mail"
    TRAIN = "train"
    EVALUATE = "evaluate"
    FREEZE_DATASET = "freeze_dataset"
    VERIFY_DATASET = "verify_dataset"


QUEUES: dict[Job, str] = {
    Job.IMPORT_TASKS: "default",
    Job.PREVIEW_IMPORT: "default",
    Job.SIMULATE_ANNOTATORS: "default",
    Job.PURGE: "default",
    Job.SEND_MAIL: "default",
    Job.TRAIN: "train",
    Job.EVALUATE: "train",
    Job.FREEZE_DATASET: "default",
    Job.VERIFY_DATASET: "default",
}


class LostLease(Exception):
    """This attempt is no longer the job's current one; its writes are refused and it must stop."""


class Cancelled(Exception):
    """A person asked for the job to be cancelled."""


class HandedBack(Exception):
    """The worker was told to stop; the job goes back to the queue with no attempt spent."""


class TryAgain(Exception):
    """A fault that may pass; the job is queued again later, with this sentence shown."""


@lru_cache
def broker() -> Celery:
    """Celery as a sender of wake-ups; the web process never waits long for a broker that is away."""
    app = Celery("accord", broker=settings().redis_url or "memory://")
    app.conf.update(
        task_ignore_result=True,
        task_default_queue="default",
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_step": 0.1,
            "interval_max": 0.1,
            "connect_retries_timeout": 1,
            "visibility_timeout": 3600,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
        task_publish_retry=False,
        timezone="UTC",
    )
    return app


def enqueue(
    session: Session,
    kind: Job,
    payload: JSON,
    *,
    key: str | None = None,
    project_id: int | None = None,
    created_by_id: int | None = None,
) -> JobRow:
    """Write a job row; while a job with the same key is queued or running, that one is returned instead."""
    unique_key = f"{kind}:{key or uuid4().hex}"
    row_id = session.scalar(
        insert(JobRow)
        .values(
            kind=kind,
            queue=QUEUES[kind],
            payload=payload,
            unique_key=unique_key,
            project_id=project_id,
            created_by_id=created_by_id,
            state=JobState.QUEUED,
        )
        .on_conflict_do_nothing(index_elements=["unique_key"], index_where=sa.text("state IN ('queued', 'running')"))
        .returning(JobRow.id)
    )
    if row_id is None:
        row = session.scalar(sa.select(JobRow).where(JobRow.unique_key == unique_key, JobRow.state.in_(ACTIVE)))
        if row is None:  # it ended between the two statements
            return enqueue(session, kind, payload, key=key, project_id=project_id, created_by_id=created_by_id)
        return row
    wake_up_after_commit(session, row_id, QUEUES[kind])
    return session.get_one(JobRow, row_id)


def enqueue_tick(session: Session, kind: Job, *, seconds: int) -> JobRow | None:
    """One job in each period of the database's clock, however many schedulers ask; None where there is one already."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"tick:{kind}"))))
    period = session.scalar(sa.select(sa.func.floor(sa.extract("epoch", sa.func.now()) / seconds)))
    key = f"tick-{int(period or 0)}"
    recent = JobRow.created_at > sa.func.now() - timedelta(seconds=2 * seconds)
    if session.scalar(sa.select(JobRow.id).where(JobRow.unique_key == f"{kind}:{key}", recent)) is not None:
        return None
    return enqueue(session, kind, {}, key=key)


def wake_up_after_commit(session: Session, job_id: int, queue: str) -> None:
    after_commit(session, lambda: wake_up(job_id, queue))


def wake_up(job_id: int, queue: str) -> None:
    """Send the message; a broker that is away is logged only, since the sweep sends again."""
    try:
        broker().send_task(WAKE_UP_TASK, args=[job_id], queue=queue)
    except Exception as error:  # noqa: BLE001 - any transport failure is the same: the sweep makes up for it
        log.warning("wake_up_failed", job_id=job_id, error=str(error))


def claim(job_id: int, prepare: Callable[[Session, JobRow], str | None] | None = None) -> JobRow | None:
    """Take a queued job: state running, attempt + 1, a fresh lease. None when there is nothing to take.

    `prepare` takes what the coming attempt needs in the same transaction; where it answers with the name of a phase,
    the job waits on, with that phase shown and no attempt begun, until the sweep wakes it up again.
    """
    with unit_of_work() as session:
        row = session.scalar(
            sa.select(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED, JobRow.available_at <= sa.func.now())
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return None
        if prepare is not None and (waits_in := prepare(session, row)) is not None:
            row.phase = waits_in
            return None
        row.state = JobState.RUNNING
        row.attempt += 1
        row.started_at = row.started_at or session.scalar(sa.select(sa.func.now()))
        session.flush()
        _renew(session, row.id, row.attempt)
        session.refresh(row)
        return row


def _renew(session: Session, job_id: int, attempt: int) -> bool:
    lease = timedelta(seconds=settings().job_lease_seconds)
    renewed = session.execute(
        sa.update(JobRow)
        .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
        .values(heartbeat_at=sa.func.now(), lease_expires_at=sa.func.now() + lease)
        .returning(JobRow.id)
    )
    return renewed.scalar() is not None


def heartbeat(job_id: int, attempt: int) -> bool:
    """Renew the lease; raises LostLease when another attempt runs. Returns whether cancelling was asked for."""
    with unit_of_work() as session:
        if not _renew(session, job_id, attempt):
            raise LostLease(f"job {job_id} attempt {attempt}")
        return session.scalar(sa.select(JobRow.cancel_requested_at).where(JobRow.id == job_id)) is not None


def report(
    job_id: int, attempt: int, *, progress: float | None = None, phase: str | None = None, message: str | None = None
) -> None:
    """Write progress (0..1), phase and message under the fence; raises LostLease or Cancelled."""
    given = {"progress": progress, "phase": phase, "message": message}
    with unit_of_work() as session:
        row = session.execute(
            sa.update(JobRow)
            .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
            .values({name: value for name, value in given.items() if value is not None} or {"attempt": attempt})
            .returning(JobRow.cancel_requested_at)
        ).one_or_none()
    if row is None:
        raise LostLease(f"job {job_id} attempt {attempt}")
    if row.cancel_requested_at is not None:
        raise Cancelled(f"job {job_id}")


def fence(session: Session, job_id: int, attempt: int) -> None:
    """Lock the job row in the work's own transaction; raises LostLease when this attempt is not the current one."""
    row = session.execute(
        sa.select(JobRow.id)
        .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise LostLease(f"job {job_id} attempt {attempt}")


def finish(job_id: int, attempt: int, state: JobState, *, result: JSON | None = None, error: str | None = None) -> None:
    """End the job under the fence; a lost lease leaves the row to its successor."""
    with unit_of_work() as session:
        session.execute(
            sa.update(JobRow)
            .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
            .values(
                state=state,
                result=json.loads(json.dumps(result)) if result is not None else None,
                error=error,
                finished_at=sa.func.now(),
                lease_expires_at=None,
                progress=1.0 if state == JobState.SUCCEEDED else JobRow.progress,
            )
        )


def release(job_id: int, attempt: int) -> None:
    """Hand a running job back with no attempt spent (the worker was told to stop)."""
    with unit_of_work() as session:
        row = session.scalar(
            sa.update(JobRow)
            .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
            .values(state=JobState.QUEUED, phase="", lease_expires_at=None, available_at=sa.func.now())
            .returning(JobRow)
        )
        if row is not None:
            wake_up_after_commit(session, row.id, row.queue)


def request_cancel(session: Session, job_id: int) -> JobRow:
    """Cancel at once what is queued, ask a running job to stop; raises Conflict when it has already ended."""
    row = session.scalar(sa.select(JobRow).where(JobRow.id == job_id).with_for_update())
    if row is None:
        raise NotFound
    if row.state not in ACTIVE:
        raise Conflict("This job has already ended; there is nothing to cancel.")
    now = session.scalar(sa.select(sa.func.now()))
    row.cancel_requested_at = row.cancel_requested_at or now
    if row.state == JobState.QUEUED:
        row.state = JobState.CANCELLED
        row.finished_at = now
    session.flush()
    return row


def reap() -> int:
    """Requeue running jobs whose lease has run out, or fail them after three attempts without new progress."""
    with unit_of_work() as session:
        rows = session.scalars(
            sa.select(JobRow)
            .where(JobRow.state == JobState.RUNNING, JobRow.lease_expires_at < sa.func.now())
            .with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            _count_failure(row)
            if row.cancel_requested_at is not None:
                _end(session, row, JobState.CANCELLED, None)
            elif row.failures >= MAX_FAILURES:
                _end(session, row, JobState.FAILED, "The worker stopped answering three times; the job was given up.")
            else:
                row.state = JobState.QUEUED
                row.message = "The worker stopped answering; the job was queued again."
                wake_up_after_commit(session, row.id, row.queue)
        return len(rows)


def made_checkpoint(session: Session, job_id: int, attempt: int) -> None:
    """Note in the transaction that records a verified checkpoint: this attempt brought the work forward."""
    fence(session, job_id, attempt)
    session.execute(sa.update(JobRow).where(JobRow.id == job_id).values(checkpoint_attempt=attempt))


def _count_failure(row: JobRow) -> None:
    """Only attempts in a row that made no checkpoint count against the cap."""
    row.failures = 0 if row.checkpoint_attempt == row.attempt else row.failures + 1
    row.lease_expires_at = None
    row.phase = ""


def _end(session: Session, row: JobRow, state: JobState, error: str | None) -> None:
    row.state, row.error, row.finished_at = state, error, session.scalar(sa.select(sa.func.now()))


def sweep(older_than: float = 3.0) -> int:
    """Send wake-ups again for jobs that have waited longer than `older_than` seconds; returns how many were sent.

    Where the broker still holds a message for each waiting job, nothing was lost: the workers are busy, and more
    messages every few seconds would only pile up.
    """
    with unit_of_work() as session:
        rows = session.execute(
            sa.select(JobRow.id, JobRow.queue)
            .where(
                JobRow.state == JobState.QUEUED,
                JobRow.available_at <= sa.func.now() - timedelta(seconds=older_than),
            )
            .order_by(JobRow.id)
            .limit(SWEEP_LIMIT)
        ).all()
    waiting: dict[str, list[int]] = {}
    for row in rows:
        waiting.setdefault(row.queue, []).append(row.id)
    sent = 0
    try:
        for queue, job_ids in waiting.items():
            if messages_in(queue) < len(job_ids):
                for job_id in job_ids:
                    broker().send_task(WAKE_UP_TASK, args=[job_id], queue=queue)
                    sent += 1
    except Exception as error:  # noqa: BLE001 - any transport failure is the same: the next sweep tries again
        log.warning("sweep_not_sent", error=str(error))
    return sent


def messages_in(queue: str) -> int:
    """How many messages the broker holds for a queue; one that is empty it does not know."""
    with broker().connection_for_write() as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0


def retry_later(job_id: int, attempt: int, error: str) -> None:
    """After an unexpected error: queue again with a growing, jittered delay, or fail after three attempts."""
    with unit_of_work() as session:
        row = session.scalar(
            sa.select(JobRow)
            .where(JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING)
            .with_for_update()
        )
        if row is None:
            return
        _count_failure(row)
        if row.failures >= MAX_FAILURES:
            _end(session, row, JobState.FAILED, error)
            return
        row.state = JobState.QUEUED
        row.message = error
        delay = timedelta(seconds=2.0 ** max(row.failures, 1) + random.random())  # noqa: S311 - jitter
        row.available_at = session.scalar(sa.select(sa.func.now() + delay))  # type: ignore[assignment]


class Reporter:
    """What a handler may say while it works: `report(progress=.5, phase="reading", message="...")`."""

    def __init__(self, job_id: int, attempt: int) -> None:
        self.job_id = job_id
        self.attempt = attempt

    def __call__(self, *, progress: float | None = None, phase: str | None = None, message: str | None = None) -> None:
        report(self.job_id, self.attempt, progress=progress, phase=phase, message=message)

    def fence(self, session: Session) -> None:
        """Call in the transaction that writes the work's outcome, so that a zombie's commit is refused."""
        fence(session, self.job_id, self.attempt)


def jobs_of_project(session: Session, project_id: int, *, before: int | None = None, limit: int = 50) -> list[JobRow]:
    """A project's jobs, newest first; `before` is the id that the last page ended with."""
    statement = sa.select(JobRow).where(JobRow.project_id == project_id).order_by(JobRow.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(JobRow.id < before)
    return list(session.scalars(statement))


def places_in_line(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """{job id: (jobs of the same queue that run, jobs that wait before this one)} of those that are active."""
    line = (JobRow.available_at, JobRow.id)
    queued = sa.func.count().filter(JobRow.state == JobState.QUEUED)
    active = (
        sa.select(
            JobRow.id,
            sa.func.count().filter(JobRow.state == JobState.RUNNING).over(partition_by=JobRow.queue).label("running"),
            queued.over(partition_by=JobRow.queue, order_by=line, rows=(None, -1)).label("before"),
        )
        .where(JobRow.state.in_(ACTIVE))
        .subquery()
    )
    found = session.execute(sa.select(active).where(active.c.id.in_(job_ids)))
    return {row.id: (row.running, row.before) for row in found}


def snapshot(row: JobRow) -> dict[str, Any]:
    """The job as the API shows it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state.value,
        "phase": row.phase,
        "progress": row.progress,
        "message": row.message,
        "result": row.result,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "cancel_requested": row.cancel_requested_at is not None,
    }
