"""SELECTs about questions on the guidelines and about who has read which version."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.accounts.access import Viewer
from app.models import Annotation, Annotator, GuidelineQuestion, GuidelineReading, GuidelineVersion, User


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question with the number of the version it was asked under, the asker's pseudonym, the answerer's name."""

    question: GuidelineQuestion
    version: int
    asker: str
    answerer: str | None


def questions(
    session: Session,
    project_id: int,
    *,
    visible_to: int | None = None,
    is_open: bool | None = None,
    asked_by: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[QuestionRow]:
    """Open ones oldest first, all others newest first. `visible_to` leaves a person's own and the shared ones."""
    answerer = aliased(User)
    statement = (
        sa.select(GuidelineQuestion, GuidelineVersion.number, Annotator.pseudonym, answerer.name)
        .join(GuidelineVersion, GuidelineVersion.id == GuidelineQuestion.guideline_version_id)
        .join(Annotator, Annotator.user_id == GuidelineQuestion.asked_by_id)
        .outerjoin(answerer, answerer.id == GuidelineQuestion.answered_by_id)
        .where(GuidelineQuestion.project_id == project_id)
        .order_by(GuidelineQuestion.id if is_open else GuidelineQuestion.id.desc())
        .limit(limit)
    )
    if visible_to is not None:
        statement = statement.where(sa.or_(GuidelineQuestion.asked_by_id == visible_to, GuidelineQuestion.is_shared))
    if is_open is not None:
        answered = GuidelineQuestion.answered_at.is_not(None)
        statement = statement.where(sa.not_(answered) if is_open else answered)
    if asked_by is not None:
        statement = statement.where(GuidelineQuestion.asked_by_id == asked_by)
    if before is not None:
        statement = statement.where(GuidelineQuestion.id < before)
    return [QuestionRow(found, number or 0, *names) for found, number, *names in session.execute(statement)]


def question(session: Session, project_id: int, question_id: int, *, lock: bool = False) -> GuidelineQuestion | None:
    statement = sa.select(GuidelineQuestion).where(
        GuidelineQuestion.project_id == project_id, GuidelineQuestion.id == question_id
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def examples(session: Session, project_id: int) -> list[GuidelineQuestion]:
    """Answered questions that stand at their clause, oldest first."""
    return list(
        session.scalars(
            sa.select(GuidelineQuestion)
            .where(GuidelineQuestion.project_id == project_id, GuidelineQuestion.is_example)
            .order_by(GuidelineQuestion.id)
        )
    )


def count_open(session: Session, project_id: int, *, asked_by: int | None = None) -> int:
    statement = sa.select(sa.func.count()).where(
        GuidelineQuestion.project_id == project_id, GuidelineQuestion.answered_at.is_(None)
    )
    if asked_by is not None:
        statement = statement.where(GuidelineQuestion.asked_by_id == asked_by)
    return session.scalar(statement) or 0


def unread_since(session: Session, project_id: int, viewer: Viewer) -> int | None:
    """The version that the person knows, when a major one came after it; None when there is nothing to confirm.

    They know what they confirmed and what they last judged under; who has done neither reads the guidelines as new.
    """
    confirmed = (
        sa.select(sa.func.max(GuidelineVersion.number))
        .join(GuidelineReading, GuidelineReading.guideline_version_id == GuidelineVersion.id)
        .where(GuidelineVersion.project_id == project_id, GuidelineReading.user_id == viewer.id)
    )
    judged = (
        sa.select(GuidelineVersion.number)
        .join(Annotation, Annotation.guideline_version_id == GuidelineVersion.id)
        .where(
            Annotation.annotator_id == viewer.annotator_id,
            Annotation.project_id == project_id,
            Annotation.supersedes_id.is_(None),
        )
        .order_by(Annotation.id.desc())
        .limit(1)
    )
    known = sa.select(
        sa.func.greatest(confirmed.scalar_subquery(), judged.scalar_subquery()).label("number")
    ).subquery()
    return session.scalar(
        sa.select(known.c.number).where(
            sa.exists().where(
                GuidelineVersion.project_id == project_id,
                GuidelineVersion.published_at.is_not(None),
                GuidelineVersion.is_major,
                GuidelineVersion.number > known.c.number,
            )
        )
    )


def insert_reading(session: Session, *, user_id: int, guideline_version_id: int) -> bool:
    """Whether it was not there before."""
    made = session.scalar(
        insert(GuidelineReading)
        .values(user_id=user_id, guideline_version_id=guideline_version_id)
        .on_conflict_do_nothing()
        .returning(GuidelineReading.user_id)
    )
    return made is not None
