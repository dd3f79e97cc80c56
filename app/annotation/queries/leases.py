"""Leases: the desk of a person, and the statements that move leases and counters.

Locks are taken in one order everywhere: the annotator (an advisory lock), then the assignment, then the task. The two
statements that take a task first, or several of them, never wait: they skip what is locked (docs/decisions/0009).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.annotation.queries.queue import Person
from app.domain.assignment import GROUP, SKILL
from app.domain.preferences import shown_order
from app.models import (
    Annotation,
    Annotator,
    Assignment,
    AssignmentState,
    GuidelineVersion,
    Membership,
    OverlapReason,
    PolicyVersion,
    Project,
    ProjectStatus,
    SchemaVersion,
    Task,
    TaskResponse,
    TaskStatus,
)

ANNOTATOR_LOCK = 0x4A55 << 44
"""Advisory locks of annotators lie above this number, apart from any other use of advisory locks."""


TAKE_LOCK = sa.text("SELECT pg_advisory_xact_lock(:number)")


def lock_annotator(session: Session, annotator_id: int) -> None:
    """One thing at a time for each annotator: two windows of one person wait for each other until the commit.

    With it, what is read of an annotator's own assignments and annotations stays true for the whole transaction.
    """
    session.execute(TAKE_LOCK, {"number": ANNOTATOR_LOCK + annotator_id})


@dataclass(frozen=True, slots=True)
class Desk:
    """What a project asks for just now, who the annotator is there, and the leases that they hold, the desk's first.

    `n_today` and `n_total` are counted where a quota asks for them, and 0 otherwise.
    """

    status: ProjectStatus
    policy_version_id: int
    policy: dict[str, Any]
    schema_version_id: int
    guideline_version_id: int | None
    person: Person
    daily_quota: int | None
    total_quota: int | None
    gold_rate: float | None
    n_today: int
    n_total: int
    own: list[Assignment]


@lru_cache
def _desk() -> sa.Select[Any]:
    """Built once, as all statements on the way of every judgement."""
    annotator_id: sa.BindParameter[int] = bindparam("of_annotator")
    now: sa.BindParameter[datetime] = bindparam("now")
    newest_policy = _newest(PolicyVersion).scalar_subquery()
    newest_schema = _newest(SchemaVersion).scalar_subquery()
    quotas = [
        *(PolicyVersion.definition[name].astext for name in ("daily_quota", "total_quota")),
        *(Membership.daily_quota, Membership.total_quota),
    ]
    has_quota = sa.or_(*(quota.is_not(None) for quota in quotas))
    given = (
        sa.select(sa.func.count())
        .select_from(Annotation)
        .where(
            Annotation.annotator_id == annotator_id,
            Annotation.project_id == Project.id,
            Annotation.supersedes_id.is_(None),
        )
        .correlate(Project)
    )
    local_day = sa.func.date_trunc("day", sa.func.timezone(Project.timezone, now))
    today = given.where(Annotation.submitted_at >= sa.func.timezone(Project.timezone, local_day))
    return (
        sa.select(
            Project.status,
            PolicyVersion.id,
            PolicyVersion.definition,
            newest_schema.label("schema"),
            newest_guideline().scalar_subquery().label("guideline"),
            Membership.languages,
            Membership.domains,
            Membership.skills,
            Membership.groups,
            Membership.daily_quota,
            Membership.total_quota,
            Membership.gold_rate,
            sa.case((has_quota, today.scalar_subquery()), else_=0).label("n_today"),
            sa.case((has_quota, given.scalar_subquery()), else_=0).label("n_total"),
            Assignment,
        )
        .join(PolicyVersion, PolicyVersion.id == newest_policy)
        .join(Annotator, Annotator.id == annotator_id)
        .outerjoin(
            Membership,
            sa.and_(
                Membership.project_id == Project.id,
                Membership.user_id == Annotator.user_id,
                Membership.ended_at.is_(None),
            ),
        )
        .outerjoin(
            Assignment,
            sa.and_(
                Assignment.project_id == Project.id,
                Assignment.annotator_id == annotator_id,
                sa.text("assignment.state = 'open'"),
            ),
        )
        .where(Project.id == bindparam("of_project"))
        .order_by(Assignment.slot, Assignment.leased_at)
    )


def desk(session: Session, *, project_id: int, annotator_id: int, now: datetime) -> Desk:
    values = {"of_project": project_id, "of_annotator": annotator_id, "now": now}
    rows = session.execute(_desk(), values, execution_options={"populate_existing": True}).all()
    row = rows[0]
    return Desk(
        status=row.status,
        policy_version_id=row.id,
        policy=row.definition,
        schema_version_id=row.schema,
        guideline_version_id=row.guideline,
        person=Person(
            annotator_id,
            languages=row.languages or [],
            domains=row.domains or [],
            has=[SKILL + name for name in row.skills or []] + [GROUP + name for name in row.groups or []],
        ),
        daily_quota=row.daily_quota,
        total_quota=row.total_quota,
        gold_rate=row.gold_rate,
        n_today=row.n_today,
        n_total=row.n_total,
        own=[each.Assignment for each in rows if each.Assignment is not None],
    )


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


def renew(session: Session, assignment: Assignment, *, expires_at: datetime) -> bool:
    """Move the end of an open lease, and of all that its holder has ahead; False when it has been ended meanwhile."""
    renewed = session.scalars(
        sa.update(Assignment)
        .where(
            Assignment.project_id == assignment.project_id,
            Assignment.annotator_id == assignment.annotator_id,
            sa.text("assignment.state = 'open'"),
        )
        .values(expires_at=expires_at)
        .returning(Assignment.id)
    )
    return assignment.id in renewed.all()


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


def close(
    session: Session,
    *,
    assignment_id: int,
    task_id: int,
    state: AssignmentState,
    now: datetime,
    frees_lease: bool,
    adds_count: bool = False,
    asks_another: bool = False,
    skip_reason: str | None = None,
    skip_note: str | None = None,
) -> None:
    """End an assignment and move its task's counters, in one statement; both rows are locked by now.

    `asks_another` raises the target by one: the judgements that were asked for are there, and do not agree enough.
    """
    values = {
        "of_assignment": assignment_id,
        "of_task": task_id,
        "end": state,
        "ended_at": now,
        "reason": skip_reason,
        "note": skip_note,
        "n_freed": int(frees_lease),
        "n_more": int(adds_count),
        "n_further": int(asks_another),
    }
    session.execute(_close(), values)


@lru_cache
def _close() -> sa.Update:
    ended_at = bindparam("ended_at", type_=Task.done_at.type)
    ended = (
        sa.update(Assignment)
        .where(Assignment.id == bindparam("of_assignment"))
        .values(
            state=bindparam("end", type_=Assignment.state.type),
            closed_at=ended_at,
            skip_reason=bindparam("reason"),
            skip_note=bindparam("note"),
        )
        .returning(Assignment.id)
        .cte("ended")
    )
    n_freed, n_more, n_further = (bindparam(name, type_=sa.SmallInteger) for name in ("n_freed", "n_more", "n_further"))
    n_counted = Task.n_counted + n_more
    n_target = Task.n_target + n_further
    is_done = sa.and_(n_more > 0, Task.status == TaskStatus.OPEN, n_counted >= n_target)
    return (
        sa.update(Task)
        .where(Task.id == bindparam("of_task"), sa.exists(sa.select(ended.c.id)))
        .values(
            n_leased=Task.n_leased - n_freed,
            n_counted=n_counted,
            n_target=n_target,
            status=sa.case((is_done, TaskStatus.DONE), else_=Task.status),
            done_at=sa.case((is_done, ended_at), else_=Task.done_at),
        )
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """An assignment with its task as they are now, what was asked for, and the responses' ids in stored order."""

    assignment: Assignment
    task: Task
    schema: dict[str, Any]
    policy: dict[str, Any]
    response_ids: list[int]

    @property
    def shown_order(self) -> list[int]:
        """Task positions as they stand on the screen."""
        return shown_order(
            len(self.response_ids), is_swapped=self.assignment.is_swapped, serving=self.assignment.public_id.bytes
        )

    @property
    def shown_ids(self) -> list[int]:
        return [self.response_ids[position] for position in self.shown_order]


def response_ids_of(task_id: sa.ColumnElement[int] | Any) -> sa.Select[Any]:
    """The ids of a task's responses in stored order; an empty array for a bare prompt."""
    ids = sa.func.array_agg(TaskResponse.response_id, type_=ARRAY(sa.BigInteger)).aggregate_order_by(
        TaskResponse.position
    )
    none: sa.ColumnElement[Any] = sa.cast(sa.literal("{}"), ARRAY(sa.BigInteger))
    return sa.select(sa.func.coalesce(ids, none)).where(TaskResponse.task_id == task_id)


def assignment_row(session: Session, public_id: UUID, *, lock: bool) -> AssignmentRow | None:
    """With `lock` the assignment, then the task, until the end of the transaction."""
    row = session.execute(
        _assignment_row(lock), {"of_serving": public_id}, execution_options={"populate_existing": True}
    ).one_or_none()
    return AssignmentRow(*row) if row is not None else None


@lru_cache
def _assignment_row(lock: bool) -> sa.Select[Any]:
    response_ids = response_ids_of(Assignment.task_id).correlate(Assignment).scalar_subquery()
    query = (
        sa.select(Assignment, Task, SchemaVersion.definition, PolicyVersion.definition, response_ids)
        .join(Task, Task.id == Assignment.task_id)
        .join(SchemaVersion, SchemaVersion.id == Assignment.schema_version_id)
        .join(PolicyVersion, PolicyVersion.id == Assignment.policy_version_id)
        .where(Assignment.public_id == bindparam("of_serving"))
    )
    return query.with_for_update(of=(Assignment, Task), key_share=True) if lock else query
