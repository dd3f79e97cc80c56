"""One person's own numbers over all their projects: days, hidden repeats, and why nothing waits. One statement each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.annotation.queries import Remaining
from app.annotation.queries.eligibility import is_theirs, may_be_given, member
from app.domain.pace import Day
from app.models import (
    Annotation,
    GuidelineQuestion,
    Membership,
    OverlapReason,
    Project,
    Standing,
    Task,
    TaskKind,
    TaskStatus,
)
from app.models.task import IS_WAITING

DAYS_BACK = timedelta(days=42)


def days(session: Session, annotator_id: int, project_ids: Sequence[int], *, now: datetime) -> dict[int, list[Day]]:
    """First judgements by day in each project's own time zone, six weeks back; edits are no second judgement."""
    day = sa.cast(sa.func.timezone(Project.timezone, Annotation.submitted_at), sa.Date)
    rows = session.execute(
        sa.select(
            Annotation.project_id,
            day,
            sa.func.count(),
            sa.func.count(Annotation.active_ms),
            sa.cast(sa.func.coalesce(sa.func.sum(Annotation.active_ms), 0), sa.BigInteger),
            sa.cast(sa.func.coalesce(sa.func.sum(Annotation.idle_ms), 0), sa.BigInteger),
        )
        .join(Project, Project.id == Annotation.project_id)
        .where(
            Annotation.annotator_id == annotator_id,
            Annotation.project_id.in_(project_ids),
            Annotation.supersedes_id.is_(None),
            Annotation.submitted_at >= now - DAYS_BACK,
        )
        .group_by(Annotation.project_id, day)
    )
    found: dict[int, list[Day]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Day(*row[1:]))
    return found


def repeats(
    session: Session, annotator_id: int, project_ids: Sequence[int], *, now: datetime
) -> dict[int, tuple[int, int]]:
    """(answered alike, all) hidden repeats by project, up to the end of yesterday in the project's time zone.

    A number that moved with a judgement would tell which task was the repeat. Answers are compared by stored position,
    so that swapped sides are undone, and in their newest revisions.
    """
    again, before = aliased(Annotation), aliased(Annotation)
    again_newest, before_newest = aliased(Annotation), aliased(Annotation)
    today = sa.func.timezone(
        Project.timezone, sa.func.date_trunc("day", sa.func.timezone(Project.timezone, sa.literal(now)))
    )
    statement = (
        sa.select(
            again.project_id,
            sa.func.count().filter(again_newest.choice == before_newest.choice),
            sa.func.count(),
        )
        .select_from(again)
        .join(Project, Project.id == again.project_id)
        .join(
            before,
            sa.and_(
                before.task_id == again.task_id,
                before.annotator_id == again.annotator_id,
                before.supersedes_id.is_(None),
                before.standing == Standing.COUNTED,
                before.overlap_reason != OverlapReason.RETEST,
                before.id < again.id,
            ),
        )
        .join(again_newest, again_newest.assignment_id == again.assignment_id)
        .join(before_newest, before_newest.assignment_id == before.assignment_id)
        .where(
            again.annotator_id == annotator_id,
            again.project_id.in_(project_ids),
            again.overlap_reason == OverlapReason.RETEST,
            again.supersedes_id.is_(None),
            again.submitted_at < today,
            _is_newest(again_newest),
            _is_newest(before_newest),
        )
        .group_by(again.project_id)
    )
    return {project_id: (n_same, n) for project_id, n_same, n in session.execute(statement)}


def _is_newest(annotation: type[Annotation]) -> sa.ColumnElement[bool]:
    later = aliased(Annotation)
    return sa.not_(sa.exists().where(later.supersedes_id == annotation.id))


def remaining(session: Session, annotator_id: int, project_ids: Sequence[int]) -> dict[int, Remaining]:
    """What app.annotation.queries.remaining says of one project, for several."""
    regular = (Task.project_id == Project.id, Task.kind == TaskKind.REGULAR)
    is_open = Task.status == TaskStatus.OPEN
    may = may_be_given(member(annotator_id))
    rows = session.execute(
        sa.select(
            Project.id,
            _any(*regular, sa.text(IS_WAITING), *may),
            _any(*regular, is_open, *may),
            _any(*regular, is_open),
            _any(*regular, Task.status != TaskStatus.ARCHIVED),
        )
        .outerjoin(Membership, is_theirs(annotator_id))
        .where(Project.id.in_(project_ids))
    )
    return {
        project_id: Remaining(
            has_waiting=has_waiting, has_others_work=has_others_work, has_open=has_open, has_tasks=has_tasks
        )
        for project_id, has_waiting, has_others_work, has_open, has_tasks in rows
    }


def _any(*conditions: sa.ColumnElement[bool] | sa.TextClause) -> sa.ColumnElement[bool]:
    return sa.select(Task.id).where(*conditions).correlate(Project, Membership).exists()


def open_questions(session: Session, project_ids: Sequence[int]) -> dict[int, int]:
    """Questions about the guidelines that wait for an answer, by project."""
    rows = session.execute(
        sa.select(GuidelineQuestion.project_id, sa.func.count())
        .where(GuidelineQuestion.project_id.in_(project_ids), GuidelineQuestion.answered_at.is_(None))
        .group_by(GuidelineQuestion.project_id)
    )
    return {row[0]: row[1] for row in rows}
