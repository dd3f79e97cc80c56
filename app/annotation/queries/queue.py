"""The queue: which tasks a person may be given, in which order, and taking one with its lease in one statement.

What takes a task first, and an assignment after it, never waits: it skips what is locked (docs/decisions/0009).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.annotation.queries.eligibility import ONCE, Asker, may_be_given
from app.domain.assignment import REPEAT_AFTER, REPEAT_BEFORE_LAST
from app.models import (
    Annotation,
    Assignment,
    AssignmentState,
    OverlapReason,
    Standing,
    Task,
    TaskKind,
    TaskStatus,
)
from app.models.task import IS_WAITING

IS_GOLD = sa.text("kind = 'gold' AND status = 'open'")
IS_STARTED_FIRST = sa.text("(n_counted + n_leased > 0) DESC")


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks for work in a project: what they read, know and are; no languages or domains means any.

    `has` are the tags that a task may ask for: skill:law, group:experts. All in lower case.
    """

    annotator_id: int
    languages: list[str]
    domains: list[str]
    has: list[str]


@dataclass(frozen=True, slots=True)
class Lease:
    """What a new lease is given under; `overlap` is the policy's, to tell base places from those asked for later."""

    project_id: int
    person: Person
    guideline_version_id: int | None
    schema_version_id: int
    policy_version_id: int
    overlap: int
    slot: int
    leased_at: datetime
    expires_at: datetime


AS_WRITTEN = {"dml_strategy": "orm"}
"""The parameters are those of the statement; the ORM would otherwise take them for the rows of a bulk INSERT."""
ME = sa.bindparam("me", type_=sa.BigInteger)
OF_PROJECT = sa.bindparam("of_project", type_=sa.BigInteger)
ASKER = Asker(ME, *(sa.bindparam(name, type_=ARRAY(sa.Text)) for name in ("reads", "knows", "has")))


def _values(project_id: int, person: Person) -> dict[str, Any]:
    return {
        "of_project": project_id,
        "me": person.annotator_id,
        "reads": person.languages,
        "knows": person.domains,
        "has": person.has,
    }


def _waiting() -> sa.Select[int]:
    """Tasks of the queue that the person may be given, in the order of ix_task_queue."""
    return (
        sa.select(Task.id)
        .where(Task.project_id == OF_PROJECT, sa.text(IS_WAITING), *may_be_given(ASKER))
        .order_by(Task.priority.desc(), Task.due_at, IS_STARTED_FIRST, Task.queue_key)
    )


def waiting_tasks(*, project_id: int, person: Person) -> sa.Select[int]:
    """The queue as this person would walk along it."""
    return _waiting().params(_values(project_id, person))


def _something_waits() -> sa.ColumnElement[bool]:
    """Gold and repeats come only while the queue has work for the person: alone at its end they would be known."""
    return _waiting().order_by(None).limit(1).scalar_subquery().is_not(None)


def _unseen_gold() -> sa.Select[int]:
    return (
        sa.select(Task.id)
        .where(Task.project_id == OF_PROJECT, IS_GOLD, *may_be_given(ASKER), _something_waits())
        .order_by(Task.queue_key)
    )


def claim(session: Session, lease: Lease, *, is_gold: bool, is_swapped: bool, may_wait: bool) -> Assignment | None:
    """Take a place of the first task (its n_leased + 1) and open the lease on it; None when there is none.

    The task is the first of the queue, or of the gold that the person has not seen. A lease that ran out is opened
    again with its sides as they were. `may_wait` waits for a locked row, and is allowed only to a transaction that
    holds no other task: two that hold one each and want the other's would wait for ever.
    """
    values = _values(lease.project_id, lease.person) | _new_lease(lease)
    found: Assignment | None = session.scalar(
        _claim(is_gold=is_gold, may_wait=may_wait),
        values | {"new_is_swapped": is_swapped, "overlap": lease.overlap},
        execution_options={"populate_existing": True},
    )
    return found


@lru_cache
def _claim(*, is_gold: bool, may_wait: bool) -> sa.Executable:
    """Built once: on the way of every judgement, building a statement takes longer than running it."""
    candidates = _unseen_gold() if is_gold else _waiting()
    first = candidates.limit(1).with_for_update(of=Task, key_share=True, skip_locked=not may_wait).cte("first")
    taken = (
        sa.update(Task)
        .where(Task.id == first.c.id)
        .values(n_leased=Task.n_leased + 1)
        .returning(Task.id, Task.n_counted, Task.n_leased, Task.own_overlap)
        .cte("taken")
    )
    place = taken.c.n_counted + taken.c.n_leased - 1
    is_asked_later = place >= sa.func.greatest(taken.c.own_overlap, sa.bindparam("overlap", type_=sa.Integer))
    reason = (
        sa.literal(OverlapReason.GOLD.value)
        if is_gold
        else sa.case((is_asked_later, OverlapReason.ESCALATION.value), else_=OverlapReason.BASE.value)
    )
    columns = {
        **_new_columns(),
        "task_id": taken.c.id,
        "overlap_reason": reason,
        "is_swapped": sa.bindparam("new_is_swapped", type_=sa.Boolean),
    }
    statement = insert(Assignment).from_select(list(columns), sa.select(*columns.values())).add_cte(taken)
    renewed = ("guideline_version_id", "schema_version_id", "policy_version_id", "leased_at", "expires_at", "slot")
    fresh = {name: statement.excluded[name] for name in ("state", "overlap_reason", "closed_at", *renewed)}
    upsert = statement.on_conflict_do_update(
        index_elements=["task_id", "annotator_id"],
        index_where=ONCE,
        set_=fresh,
        where=Assignment.state.in_((AssignmentState.EXPIRED, AssignmentState.RETURNED)),
    )
    return upsert.returning(Assignment).execution_options(**AS_WRITTEN)


def _new_lease(lease: Lease) -> dict[str, Any]:
    values = {
        "public_id": uuid4(),
        "project_id": lease.project_id,
        "annotator_id": lease.person.annotator_id,
        "state": AssignmentState.OPEN,
        "guideline_version_id": lease.guideline_version_id,
        "schema_version_id": lease.schema_version_id,
        "policy_version_id": lease.policy_version_id,
        "leased_at": lease.leased_at,
        "expires_at": lease.expires_at,
        "slot": lease.slot,
        "closed_at": None,
    }
    return {f"new_{name}": value for name, value in values.items()}


NEW = (
    *("public_id", "project_id", "annotator_id", "state", "guideline_version_id", "schema_version_id"),
    *("policy_version_id", "leased_at", "expires_at", "slot", "closed_at"),
)


def _new_columns() -> dict[str, sa.ColumnElement[Any]]:
    """The values of `_new_lease` by column, each of its column's type, which a SELECT would not know of itself."""
    columns = Assignment.__table__.c
    return {name: sa.cast(sa.bindparam(f"new_{name}", type_=columns[name].type), columns[name].type) for name in NEW}


def open_repeat(session: Session, lease: Lease, *, fraction: float) -> Assignment | None:
    """A lease on a task that this person judged a day ago or more, sides exchanged; None where there is none.

    Taken from a random place (`fraction`, 0..1) of all the time they have judged here, so that repeats come in no
    order; each task once, and none of the newest judgements. It takes no place of the task.
    """
    values = _values(lease.project_id, lease.person) | _new_lease(lease)
    more = {"long_ago": lease.leased_at - REPEAT_AFTER, "fraction": fraction}
    found: Assignment | None = session.scalar(_open_repeat(), values | more)
    return found


@lru_cache
def _open_repeat() -> sa.Executable:
    own = (Annotation.annotator_id == ME, Annotation.project_id == OF_PROJECT, Annotation.supersedes_id.is_(None))
    times = sa.select(Annotation.submitted_at).where(*own)
    oldest = times.order_by(Annotation.submitted_at).limit(1).scalar_subquery()
    last = times.order_by(Annotation.submitted_at.desc()).offset(REPEAT_BEFORE_LAST).limit(1).scalar_subquery()
    long_ago = sa.bindparam("long_ago", type_=sa.DateTime(timezone=True))
    fraction = sa.bindparam("fraction", type_=sa.Float)
    repeated = sa.exists().where(
        Assignment.task_id == Annotation.task_id,
        Assignment.annotator_id == ME,
        sa.text("assignment.overlap_reason = 'retest'"),
    )
    found = (
        sa.select(Annotation.task_id, ~Annotation.is_swapped)
        .join(Task, Task.id == Annotation.task_id)
        .where(
            *own,
            Annotation.standing == Standing.COUNTED,
            Annotation.is_swapped.is_not(None),
            Annotation.submitted_at <= last,
            Annotation.submitted_at <= long_ago,
            Annotation.submitted_at >= oldest + (sa.func.least(last, long_ago) - oldest) * fraction,
            Task.kind == TaskKind.REGULAR,
            Task.status != TaskStatus.ARCHIVED,
            ~repeated,
            _something_waits(),
        )
        .order_by(Annotation.submitted_at)
        .limit(1)
    )
    columns = _new_columns()
    rows = found.add_columns(sa.literal(OverlapReason.RETEST.value), *columns.values())
    names = ["task_id", "is_swapped", "overlap_reason", *columns]
    statement = insert(Assignment).from_select(names, rows).on_conflict_do_nothing()
    return statement.returning(Assignment).execution_options(**AS_WRITTEN)


@dataclass(frozen=True, slots=True)
class Remaining:
    """Why there may be nothing to hand out."""

    has_waiting: bool
    has_others_work: bool
    has_open: bool
    has_tasks: bool


def remaining(session: Session, *, project_id: int, person: Person) -> Remaining:
    row = session.execute(_remaining(), _values(project_id, person)).one()
    return Remaining(*row)


@lru_cache
def _remaining() -> sa.Select[bool, bool, bool, bool]:
    regular = (Task.project_id == OF_PROJECT, Task.kind == TaskKind.REGULAR)
    is_open = sa.text("task.status = 'open'")
    return sa.select(
        sa.exists(_waiting().order_by(None)),
        sa.exists().where(*regular, is_open, *may_be_given(ASKER)),
        sa.exists().where(*regular, is_open),
        sa.exists().where(*regular, Task.status != TaskStatus.ARCHIVED),
    )
