"""Everything that is known about one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.models import (
    Annotation,
    Annotator,
    Assignment,
    AssignmentState,
    AuditEvent,
    GoldAnswer,
    GuidelineVersion,
    Prompt,
    Response,
    Task,
    TaskResponse,
)

MAX_EVENTS = 200
MAX_SIBLINGS = 50


def task_of_project(session: Session, project_id: int, task_id: int, *, lock: bool = False) -> Task | None:
    query = sa.select(Task).where(Task.id == task_id, Task.project_id == project_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalar(query)


def tasks(session: Session, ids: Sequence[int]) -> Sequence[Task]:
    return session.scalars(sa.select(Task).where(Task.id.in_(ids)).order_by(Task.id)).all()


def prompt(session: Session, prompt_id: int) -> Prompt:
    return session.scalars(sa.select(Prompt).where(Prompt.id == prompt_id)).one()


def responses(session: Session, task_id: int) -> Sequence[Any]:
    """(response, its place in the task), the first response of every stored judgement first."""
    return session.execute(
        sa.select(Response, TaskResponse.position)
        .join(TaskResponse, TaskResponse.response_id == Response.id)
        .where(TaskResponse.task_id == task_id)
        .order_by(TaskResponse.position)
    ).all()


def votes(session: Session, task_id: int) -> Sequence[Any]:
    """(annotation, annotator, number of its guidelines, id of the revision that replaced it), oldest first."""
    newer = aliased(Annotation)
    return session.execute(
        sa.select(Annotation, Annotator, GuidelineVersion.number, newer.id.label("superseded_by"))
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .outerjoin(newer, newer.supersedes_id == Annotation.id)
        .where(Annotation.task_id == task_id)
        .order_by(Annotation.submitted_at, Annotation.id)
    ).all()


def has_votes(session: Session, task_id: int) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(Annotation.task_id == task_id))))


def leases(session: Session, task_id: int) -> Sequence[Any]:
    """(assignment, annotator) of leases that are open or ended without a judgement, newest first."""
    return session.execute(
        sa.select(Assignment, Annotator)
        .join(Annotator, Annotator.id == Assignment.annotator_id)
        .where(Assignment.task_id == task_id, Assignment.state != AssignmentState.SUBMITTED)
        .order_by(Assignment.id.desc())
    ).all()


def gold(session: Session, task_id: int) -> GoldAnswer | None:
    return session.scalar(sa.select(GoldAnswer).where(GoldAnswer.task_id == task_id))


def events(session: Session, task_id: int) -> Sequence[Any]:
    """(event, pseudonym of who did it) of the deeds on this task, newest first."""
    return session.execute(
        sa.select(AuditEvent, Annotator.pseudonym)
        .outerjoin(Annotator, Annotator.user_id == AuditEvent.actor_id)
        .where(AuditEvent.target_type == Task.__tablename__, AuditEvent.target_id == str(task_id))
        .order_by(AuditEvent.id.desc())
        .limit(MAX_EVENTS)
    ).all()


def siblings(session: Session, task: Task) -> Sequence[Any]:
    """(id, status) of the other tasks about the same prompt."""
    return session.execute(
        sa.select(Task.id, Task.status)
        .where(Task.project_id == task.project_id, Task.prompt_id == task.prompt_id, Task.id != task.id)
        .order_by(Task.id)
        .limit(MAX_SIBLINGS)
    ).all()
