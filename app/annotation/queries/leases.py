"""Leases: the queue, claiming a place, and the statements that move leases and counters.

Locks are taken in one order everywhere: the annotator (an advisory lock), then the assignment, then the task. The two
statements that take a task first, or several of them, never wait: they skip what is locked (docs/decisions/0009).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.models import (
    Assignment,
    AssignmentState,
    GuidelineVersion,
    OverlapReason,
    PolicyVersion,
    Project,
    ProjectStatus,
    SchemaVersion,
    Task,
    TaskKind,
    TaskResponse,
    TaskStatus,
)
from app.models.task import IS_WAITING

ANNOTATOR_LOCK = 0x4A55 << 44
"""Advisory locks of annotators lie above this number, apart from any other use of advisory locks."""

ONCE = sa.text("overlap_reason <> 'retest'")
CLOSED_FOR_GOOD = sa.text("state NOT IN ('expired', 'returned')")
IS_GOLD = sa.text("kind = 'gold' AND status = 'open'")


def lock_annotator(session: Session, annotator_id: int) -> None:
    """One thing at a time for each annotator: two windows of one person wait for each other until the commit.

    With it, what is read of an annotator's own assignments and annotations stays true for the whole transaction.
    """
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(ANNOTATOR_LOCK + annotator_id)))


@dataclass(frozen=True, slots=True)
class Desk:
    """What a project asks for just now, and the lease that the annotator holds there, if any."""

    status: ProjectStatus
    policy_version_id: int
    policy: dict[str, Any]
    schema_version_id: int
    guideline_version_id: int | None
    own: Assignment | None


def desk(session: Session, *, project_id: int, annotator_id: int) -> Desk:
    newest_policy = _newest(PolicyVersion).scalar_subquery()
    newest_schema = _newest(SchemaVersion).scalar_subquery()
    row = session.execute(
        sa.select(
            Project.status,
            PolicyVersion.id,
            PolicyVersion.definition,
            newest_schema,
            newest_guideline().scalar_subquery(),
            Assignment,
        )
        .join(PolicyVersion, PolicyVersion.id == newest_policy)
        .outerjoin(
            Assignment,
            sa.and_(
                Assignment.project_id == Project.id,
                Assignment.annotator_id == annotator_id,
                sa.text("assignment.state = 'open'"),
            ),
        )
        .where(Project.id == project_id),
        execution_options={"populate_existing": True},
    ).one()
    return Desk(*row)


def _newest(kind: type[PolicyVersion | SchemaVersion]) -> sa.Select[int]:
    return (
        sa.select(kind.id).where(kind.project_id == Project.id).order_by(kind.number.desc()).limit(1).correlate(Project)
    )


def newest_guideline() -> sa.Select[int]:
    """The id of the newest published guidelines of the project in the outer statement."""
    return (
        sa.select(GuidelineVersion.id)
        .where(GuidelineVersion.project_id == Project.id, GuidelineVersion.published_at.is_not(None))
        .order_by(GuidelineVersion.number.desc())
        .limit(1)
        .correlate(Project)
    )


def _is_new_to(annotator_id: int) -> sa.ColumnElement[bool]:
    """No assignment of theirs that is open or ended by a deed; one that ran out or was given back may come again."""
    return ~sa.exists().where(
        Assignment.task_id == Task.id, Assignment.annotator_id == annotator_id, ONCE, CLOSED_FOR_GOOD
    )


def waiting_tasks(*, project_id: int, annotator_id: int) -> sa.Select[int]:
    """Tasks of the queue that this annotator may be given, in the order of ix_task_queue."""
    return (
        sa.select(Task.id)
        .where(Task.project_id == project_id, sa.text(IS_WAITING), _is_new_to(annotator_id))
        .order_by(Task.priority.desc(), sa.text("(n_counted + n_leased > 0) DESC"), Task.queue_key)
    )


def unseen_gold(*, project_id: int, annotator_id: int) -> sa.Select[int]:
    return (
        sa.select(Task.id)
        .where(Task.project_id == project_id, IS_GOLD, _is_new_to(annotator_id))
        .order_by(Task.queue_key)
    )


def claim(session: Session, candidates: sa.Select[int], *, may_wait: bool) -> int | None:
    """Take a place of the first candidate: its n_leased + 1. None when there is none (or none that is not locked).

    `may_wait` waits for a locked row, and is allowed only to a transaction that holds no other task: two that hold
    one each and want the other's would wait for ever.
    """
    first = candidates.limit(1).with_for_update(of=Task, key_share=True, skip_locked=not may_wait).cte("first")
    return session.scalar(
        sa.update(Task)
        .where(Task.id == first.c.id)
        .values(n_leased=Task.n_leased + 1)
        .returning(Task.id)
        .execution_options(synchronize_session=False)
    )


def open_assignment(
    session: Session,
    *,
    project_id: int,
    task_id: int,
    annotator_id: int,
    reason: OverlapReason,
    desk: Desk,
    is_swapped: bool,
    now: datetime,
    lease: timedelta,
) -> Assignment:
    """A lease on a task whose place has been taken; one that ran out is opened again with its sides as they were."""
    fresh = {
        "state": AssignmentState.OPEN,
        "guideline_version_id": desk.guideline_version_id,
        "schema_version_id": desk.schema_version_id,
        "policy_version_id": desk.policy_version_id,
        "leased_at": now,
        "expires_at": now + lease,
        "closed_at": None,
    }
    statement = insert(Assignment).values(
        public_id=uuid4(),
        project_id=project_id,
        task_id=task_id,
        annotator_id=annotator_id,
        overlap_reason=reason,
        is_swapped=is_swapped,
        **fresh,
    )
    return session.scalars(
        statement.on_conflict_do_update(
            index_elements=["task_id", "annotator_id"],
            index_where=ONCE,
            set_=fresh,
            where=Assignment.state.in_((AssignmentState.EXPIRED, AssignmentState.RETURNED)),
        ).returning(Assignment),
        execution_options={"populate_existing": True},
    ).one()


def renew(session: Session, assignment_id: int, *, expires_at: datetime) -> bool:
    """Move an open lease's end; False when it has been ended meanwhile."""
    renewed = session.scalar(
        sa.update(Assignment)
        .where(Assignment.id == assignment_id, Assignment.state == AssignmentState.OPEN)
        .values(expires_at=expires_at)
        .returning(Assignment.id)
    )
    return renewed is not None


def close_stale(session: Session, *, project_id: int | None, now: datetime, limit: int) -> int:
    """End leases whose time has run out, oldest first, and give their places back; returns how many.

    One statement that waits for nobody: a lease or task that is locked is left for the next time.
    """
    stale = (
        sa.select(Assignment.id)
        .join(Task, Task.id == Assignment.task_id)
        .where(sa.text("assignment.state = 'open'"), Assignment.expires_at <= now)
        .order_by(Assignment.expires_at)
        .limit(limit)
        .with_for_update(of=(Assignment, Task), key_share=True, skip_locked=True)
    )
    if project_id is not None:
        stale = stale.where(Assignment.project_id == project_id)
    found = stale.cte("stale")
    closed = (
        sa.update(Assignment)
        .where(Assignment.id == found.c.id)
        .values(state=AssignmentState.EXPIRED, closed_at=now)
        .returning(Assignment.task_id)
        .cte("closed")
    )
    freed = sa.select(closed.c.task_id, sa.func.count().label("n")).group_by(closed.c.task_id).cte("freed")
    return sum(
        session.scalars(
            sa.update(Task)
            .where(Task.id == freed.c.task_id)
            .values(n_leased=Task.n_leased - freed.c.n)
            .returning(freed.c.n)
            .execution_options(synchronize_session=False)
        )
    )


def close(
    session: Session,
    *,
    assignment_id: int,
    task_id: int,
    state: AssignmentState,
    now: datetime,
    frees_lease: bool,
    adds_count: bool = False,
    skip_reason: str | None = None,
    skip_note: str | None = None,
) -> None:
    """End an assignment and move its task's counters, in one statement; both rows are locked by now."""
    ended = (
        sa.update(Assignment)
        .where(Assignment.id == assignment_id)
        .values(state=state, closed_at=now, skip_reason=skip_reason, skip_note=skip_note)
        .returning(Assignment.id)
        .cte("ended")
    )
    n_counted = Task.n_counted + int(adds_count)
    is_done = sa.and_(sa.literal(adds_count), Task.status == TaskStatus.OPEN, n_counted >= Task.n_target)
    session.execute(
        sa.update(Task)
        .where(Task.id == task_id, sa.exists(sa.select(ended.c.id)))
        .values(
            n_leased=Task.n_leased - int(frees_lease),
            n_counted=n_counted,
            status=sa.case((is_done, TaskStatus.DONE), else_=Task.status),
            done_at=sa.case((is_done, now), else_=Task.done_at),
        )
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """An assignment with its task as they are now, what was asked for, and the two responses' ids in stored order."""

    assignment: Assignment
    task: Task
    schema: dict[str, Any]
    policy: dict[str, Any]
    response_ids: list[int]


def assignment_row(session: Session, public_id: UUID, *, lock: bool) -> AssignmentRow | None:
    """With `lock` the assignment, then the task, until the end of the transaction."""
    response_ids = (
        sa.select(
            sa.func.array_agg(TaskResponse.response_id, type_=ARRAY(sa.BigInteger)).aggregate_order_by(
                TaskResponse.position
            )
        )
        .where(TaskResponse.task_id == Assignment.task_id)
        .correlate(Assignment)
        .scalar_subquery()
    )
    query = (
        sa.select(Assignment, Task, SchemaVersion.definition, PolicyVersion.definition, response_ids)
        .join(Task, Task.id == Assignment.task_id)
        .join(SchemaVersion, SchemaVersion.id == Assignment.schema_version_id)
        .join(PolicyVersion, PolicyVersion.id == Assignment.policy_version_id)
        .where(Assignment.public_id == public_id)
    )
    if lock:
        query = query.with_for_update(of=(Assignment, Task), key_share=True)
    row = session.execute(query, execution_options={"populate_existing": True}).one_or_none()
    return AssignmentRow(*row) if row is not None else None


@dataclass(frozen=True, slots=True)
class Remaining:
    """Why there may be nothing to hand out."""

    has_waiting: bool
    has_others_work: bool
    has_open: bool
    has_tasks: bool


def remaining(session: Session, *, project_id: int, annotator_id: int) -> Remaining:
    regular = (Task.project_id == project_id, Task.kind == TaskKind.REGULAR)
    is_open = sa.text("task.status = 'open'")
    row = session.execute(
        sa.select(
            sa.exists(waiting_tasks(project_id=project_id, annotator_id=annotator_id).order_by(None)),
            sa.exists().where(*regular, is_open, _is_new_to(annotator_id)),
            sa.exists().where(*regular, is_open),
            sa.exists().where(*regular, Task.status != TaskStatus.ARCHIVED),
        )
    ).one()
    return Remaining(*row)
