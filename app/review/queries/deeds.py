"""The statements that change tasks: each one works on any number of them, given as a SELECT of ids.

Annotators lock their assignment, then its task, and one of them may come to hold several tasks: a row that Postgres
locked and then found changed stays locked. So nothing here waits for a lock while it holds a task: tasks are taken all
at once or not at all, and a lease that is locked is left alone. Deeds of one project wait for each other at the
project's row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.models import Assignment, AssignmentState, GoldAnswer, OverlapReason, Project, Task, TaskKind, TaskStatus

MAX_TARGET = 1000
BULK_SECONDS = 900
TaskIds = sa.Select[int]


def these(project_id: int, ids: Iterable[int]) -> TaskIds:
    wanted = sa.select(sa.func.unnest(sa.cast(list(ids), ARRAY(sa.BigInteger))))
    return sa.select(Task.id).where(Task.project_id == project_id, Task.id.in_(wanted))


def ids(session: Session, matching: TaskIds) -> list[int]:
    return list(session.scalars(matching))


def take_turn(session: Session, project_id: int) -> None:
    """Wait until no other deed on tasks of this project is under way; a long one may then take its time."""
    session.execute(sa.select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))
    session.execute(sa.select(sa.func.set_config("statement_timeout", f"{BULK_SECONDS}s", True)))


def lock(session: Session, these_tasks: TaskIds) -> list[int]:
    """Lock as many of these tasks as are free, without waiting; returns the ids of those that it got."""
    free = sa.select(Task.id).where(Task.id.in_(these_tasks))
    return list(session.scalars(free.with_for_update(key_share=True, skip_locked=True)))


def set_priority(session: Session, matching: TaskIds, priority: int) -> list[int]:
    return _update(session, matching, Task.priority != priority, priority=priority)


def end_of_day(session: Session, project_id: int, day: date) -> datetime:
    """The first moment after that day where the project is."""
    after = sa.cast(day + timedelta(days=1), sa.DateTime(timezone=False))
    query = sa.select(sa.func.timezone(Project.timezone, after)).where(Project.id == project_id)
    found: datetime = session.execute(query).scalar_one()
    return found


def set_due(session: Session, matching: TaskIds, due_at: datetime | None) -> list[int]:
    return _update(session, matching, Task.due_at.is_distinct_from(due_at), due_at=due_at)


def requeue(session: Session, matching: TaskIds, judgements: int) -> list[int]:
    """Ask for more judgements than are counted or were asked for. Gold tasks and archived ones stay as they are."""
    target = sa.func.greatest(Task.n_target, Task.n_counted) + judgements
    may = sa.and_(Task.kind == TaskKind.REGULAR, Task.status != TaskStatus.ARCHIVED, target <= MAX_TARGET)
    return _update(session, matching, may, n_target=target, status=TaskStatus.OPEN, done_at=None)


def archive(session: Session, matching: TaskIds) -> list[int]:
    return _update(session, matching, Task.status != TaskStatus.ARCHIVED, status=TaskStatus.ARCHIVED)


def restore(session: Session, matching: TaskIds) -> list[int]:
    """Back to open, or to done where all judgements that were asked for are there."""
    is_done = sa.and_(Task.kind == TaskKind.REGULAR, Task.n_counted >= Task.n_target)
    status = sa.case((is_done, TaskStatus.DONE), else_=TaskStatus.OPEN)
    return _update(session, matching, Task.status == TaskStatus.ARCHIVED, status=status)


def add_tag(session: Session, matching: TaskIds, tag: str, *, most: int) -> list[int]:
    may = sa.and_(~_has_tag(tag), sa.func.cardinality(Task.tags) < most)
    return _update(session, matching, may, tags=sa.func.array_append(Task.tags, tag))


def remove_tag(session: Session, matching: TaskIds, tag: str) -> list[int]:
    return _update(session, matching, _has_tag(tag), tags=sa.func.array_remove(Task.tags, tag))


def _has_tag(tag: str) -> sa.ColumnElement[bool]:
    return Task.tags.bool_op("@>")(sa.cast([tag], ARRAY(sa.Text)))


def _update(session: Session, matching: TaskIds, may: sa.ColumnElement[bool], **values: Any) -> list[int]:
    """The ids of the rows that were changed."""
    return list(
        session.scalars(
            sa.update(Task)
            .where(Task.id.in_(matching), may)
            .values(**values)
            .returning(Task.id)
            .execution_options(synchronize_session=False)
        )
    )


def return_leases(session: Session, matching: TaskIds) -> int:
    """End the open leases of these tasks, which are locked, and take them out of their counts; returns how many.

    A lease that is locked is left: its holder is submitting just now and waits for the task, and their answer counts.
    """
    found = (
        sa.select(Assignment.id)
        .where(sa.text("assignment.state = 'open'"), Assignment.task_id.in_(matching))
        .with_for_update(of=Assignment, key_share=True, skip_locked=True)
        .cte("found")
    )
    closed = (
        sa.update(Assignment)
        .where(Assignment.id == found.c.id, Assignment.state == AssignmentState.OPEN)
        .values(state=AssignmentState.RETURNED, closed_at=sa.func.now())
        .returning(Assignment.task_id, Assignment.overlap_reason)
        .cte("closed")
    )
    takes_place = sa.func.count().filter(closed.c.overlap_reason != OverlapReason.RETEST.value)
    ended = (
        sa.select(closed.c.task_id, takes_place.label("n_places"), sa.func.count().label("n"))
        .group_by(closed.c.task_id)
        .cte("ended")
    )
    return sum(
        session.scalars(
            sa.update(Task)
            .where(Task.id == ended.c.task_id)
            .values(n_leased=Task.n_leased - ended.c.n_places)
            .returning(ended.c.n)
            .execution_options(synchronize_session=False)
        )
    )


def n_leases(session: Session, matching: TaskIds) -> int:
    open_ones = (sa.text("assignment.state = 'open'"), Assignment.task_id.in_(matching))
    return session.scalar(sa.select(sa.func.count()).select_from(Assignment).where(*open_ones)) or 0


def forget_gold_answer(session: Session, task_id: int) -> None:
    session.execute(sa.delete(GoldAnswer).where(GoldAnswer.task_id == task_id))
