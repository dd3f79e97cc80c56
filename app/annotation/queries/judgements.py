"""Judgements: writing the append-only row, and what their annotator sees of tasks and of their own answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import ARRAY, array, insert
from sqlalchemy.orm import Session, aliased

from app.annotation.queries.leases import newest_guideline, response_ids_of
from app.domain.overlap import Vote, project_agreement
from app.models import (
    Annotation,
    Assignment,
    GuidelineVersion,
    OverlapReason,
    PolicyVersion,
    Project,
    Prompt,
    Response,
    SchemaVersion,
    Standing,
    Task,
    TaskResponse,
)


def insert_annotation(session: Session, **values: Any) -> Annotation | None:
    """The new row, or None when this annotator has used the key before, or somebody revised the same row first."""
    return session.scalar(insert(Annotation).values(**values).on_conflict_do_nothing().returning(Annotation))


def annotations_of(session: Session, assignment_id: int) -> Sequence[Annotation]:
    """The judgement and its revisions, newest first."""
    return session.scalars(
        sa.select(Annotation).where(Annotation.assignment_id == assignment_id).order_by(Annotation.revision.desc())
    ).all()


Bound = sa.BindParameter[Any]
RECENT_VOTES = 400
"""So many of a project's newest votes say how often two of its people agree."""


def votes_of_task(session: Session, *, project_id: int, task_id: int) -> tuple[list[Vote], float]:
    """The counted votes of a task as they stand now, and how often two people of its project agree.

    Of the agreement only votes speak that were asked for before anybody had judged; each as it was first given.
    """
    recent = (
        sa.select(Annotation.task_id, Annotation.choice)
        .where(
            Annotation.project_id == project_id,
            Annotation.standing == Standing.COUNTED,
            Annotation.overlap_reason.in_((OverlapReason.BASE, OverlapReason.IMPORTED, OverlapReason.CALIBRATION)),
            Annotation.supersedes_id.is_(None),
            Annotation.choice.is_not(None),
        )
        .order_by(Annotation.id.desc())
        .limit(RECENT_VOTES)
        .subquery()
    )
    alike = (
        sa.select(recent.c.task_id, sa.func.count().label("n")).group_by(recent.c.task_id, recent.c.choice).subquery()
    )
    of_task = (
        sa.select(sa.func.sum(alike.c.n).label("n"), sa.func.sum(alike.c.n * (alike.c.n - 1)).label("agreeing"))
        .group_by(alike.c.task_id)
        .subquery()
    )
    ordered_pairs = array(
        [sa.func.coalesce(sa.func.sum(n), 0) for n in (of_task.c.agreeing, of_task.c.n * (of_task.c.n - 1))]
    )
    later = aliased(Annotation)
    rows = session.execute(
        sa.select(Annotation.choice, Annotation.strength, sa.select(ordered_pairs).scalar_subquery()).where(
            Annotation.task_id == task_id,
            Annotation.standing == Standing.COUNTED,
            Annotation.choice.is_not(None),
            ~sa.exists().where(later.supersedes_id == Annotation.id),
        )
    ).all()
    agreeing, pairs = rows[0][2] if rows else (0, 0)
    agreement = project_agreement(int(agreeing) // 2, int(pairs) // 2)
    return [Vote(choice, strength) for choice, strength, _ in rows], agreement


def judged_public_id(session: Session, *, project_id: int, annotator_id: int) -> UUID | None:
    """The assignment of the last judgement that this annotator gave there (edits do not make it later)."""
    return session.scalar(
        sa.select(Assignment.public_id)
        .join(Annotation, Annotation.assignment_id == Assignment.id)
        .where(
            Annotation.annotator_id == annotator_id,
            Annotation.project_id == project_id,
            Annotation.supersedes_id.is_(None),
        )
        .order_by(Annotation.id.desc())
        .limit(1)
    )


def newest_guideline_id(session: Session, project_id: int) -> int | None:
    return session.scalar(
        sa.select(newest_guideline().scalar_subquery()).select_from(Project).where(Project.id == project_id)
    )


def guideline(session: Session, guideline_version_id: int | None) -> GuidelineVersion | None:
    return session.get(GuidelineVersion, guideline_version_id) if guideline_version_id is not None else None


def response_text(session: Session, response_id: int) -> str:
    return session.scalars(sa.select(Response.text).where(Response.id == response_id)).one()


@dataclass(frozen=True, slots=True)
class Content:
    """What the person sees of a task, responses in stored order, and how far they have come, in one statement."""

    prompt: dict[str, Any]
    documents: Any
    texts: list[str]
    schema: dict[str, Any]
    schema_number: int
    language: str | None
    warning: str | None
    guideline_number: int | None
    today: int
    total: int


def content(session: Session, assignment: Assignment, *, day_start: datetime) -> Content:
    values = {
        "of_project": assignment.project_id,
        "of_annotator": assignment.annotator_id,
        "of_guideline": assignment.guideline_version_id,
        "of_schema": assignment.schema_version_id,
        "of_task": assignment.task_id,
        "day_start": day_start,
    }
    return Content(*session.execute(_content(), values).one())


@lru_cache
def _content() -> sa.Select[Any]:
    """Built once: on the way of every judgement, building a statement takes longer than running it."""
    total, today = _own_counts(bindparam("of_project"), bindparam("of_annotator"), bindparam("day_start"))
    guideline_number = sa.select(GuidelineVersion.number).where(GuidelineVersion.id == bindparam("of_guideline"))
    in_order = sa.func.array_agg(Response.text, type_=ARRAY(sa.Text)).aggregate_order_by(TaskResponse.position)
    texts = (
        sa.select(sa.func.coalesce(in_order, sa.cast(sa.literal("{}"), ARRAY(sa.Text))))
        .select_from(TaskResponse)
        .join(Response, Response.id == TaskResponse.response_id)
        .where(TaskResponse.task_id == bindparam("of_task"))
    )
    return (
        sa.select(
            Prompt.content,
            Prompt.meta["documents"],
            texts.scalar_subquery(),
            SchemaVersion.definition,
            SchemaVersion.number,
            Task.language,
            Prompt.meta.op("->>")("content_warning"),
            guideline_number.scalar_subquery(),
            today,
            total,
        )
        .select_from(Task)
        .join(SchemaVersion, SchemaVersion.id == bindparam("of_schema"))
        .join(Prompt, Prompt.id == Task.prompt_id)
        .where(Task.id == bindparam("of_task"))
    )


def _own_counts(
    project_id: int | Bound, annotator_id: int | Bound, day_start: datetime | Bound
) -> tuple[sa.ScalarSelect[int], sa.ScalarSelect[int]]:
    """(all, since the day began): judgements given, late ones and gold among them, each once however often edited."""
    given = (
        sa.select(sa.func.count())
        .select_from(Annotation)
        .where(
            Annotation.annotator_id == annotator_id,
            Annotation.project_id == project_id,
            Annotation.supersedes_id.is_(None),
        )
    )
    return given.scalar_subquery(), given.where(Annotation.submitted_at >= day_start).scalar_subquery()


def progress(session: Session, *, project_id: int, annotator_id: int, day_start: datetime) -> tuple[int, int]:
    """(today, all) of one's own judgements."""
    total, today = _own_counts(project_id, annotator_id, day_start)
    row = session.execute(sa.select(today, total)).one()
    return row[0], row[1]


def history(
    session: Session, *, project_id: int, annotator_id: int, before_id: int | None, limit: int
) -> Sequence[Any]:
    """(newest revision, first judgement, assignment, prompt content, policy, response ids), newest judgement first.

    The cursor is the first judgement's id, so that an edit moves nothing.
    """
    newest = aliased(Annotation)
    later = aliased(Annotation)
    query = (
        sa.select(
            newest,
            Annotation,
            Assignment,
            Prompt.content,
            PolicyVersion.definition,
            response_ids_of(Annotation.task_id).correlate(Annotation).scalar_subquery(),
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(newest, newest.assignment_id == Annotation.assignment_id)
        .join(Task, Task.id == Annotation.task_id)
        .join(Prompt, Prompt.id == Task.prompt_id)
        .join(PolicyVersion, PolicyVersion.id == Annotation.policy_version_id)
        .where(
            Annotation.project_id == project_id,
            Annotation.annotator_id == annotator_id,
            Annotation.supersedes_id.is_(None),
            ~sa.exists().where(later.supersedes_id == newest.id),
        )
        .order_by(Annotation.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(Annotation.id < before_id)
    return session.execute(query).all()
