"""JSON routes of questions about the guidelines, and of confirming that a version was read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from app.accounts.access import PathId
from app.accounts.doors import throttled
from app.models import GuidelineQuestion, Role
from app.projects import queries, question_queries, questions
from app.projects.access import ProjectAccess, ProjectMember, ProjectReviewer, access_guideline, require_writable
from app.projects.question_queries import QuestionRow
from app.projects.schemas import AnswerForm, AskForm, QuestionOut, QuestionPage, ReadingOut
from app.web.request import DbSession

router = APIRouter(tags=["guidelines"])


@router.get("/projects/{project_id}/guidelines/questions")
def list_questions(
    session: DbSession,
    access: ProjectMember,
    is_open: bool | None = None,
    cursor: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> QuestionPage:
    """Reviewers see every question, others their own and those shared.

    Newest first; with `is_open` true oldest first, at most `limit` and no further page.
    """
    is_reviewer = access.may(Role.REVIEWER)
    found = question_queries.questions(
        session,
        access.project.id,
        visible_to=None if is_reviewer else access.viewer.id,
        is_open=is_open,
        before=cursor,
        limit=limit + 1,
    )
    shown = found[:limit]
    more = len(found) > limit and is_open is not True
    return QuestionPage(
        items=[_out(row, access.viewer.id, is_reviewer=is_reviewer) for row in shown],
        next_cursor=str(shown[-1].question.id) if more else None,
    )


@router.post(
    "/projects/{project_id}/guidelines/questions",
    status_code=201,
    dependencies=[Depends(throttled("question", questions.ASKED_IN_A_WINDOW))],
)
def ask(session: DbSession, access: ProjectMember, sent: AskForm) -> QuestionOut:
    require_writable(access)
    asked = questions.ask(
        session, viewer_id=access.viewer.id, project=access.project, anchor=sent.anchor, text=sent.text
    )
    return _one(session, access, asked)


@router.put("/projects/{project_id}/guidelines/questions/{question_id}/answer")
def answer(session: DbSession, access: ProjectReviewer, question_id: PathId, sent: AnswerForm) -> QuestionOut:
    """Answer, or change the answer."""
    require_writable(access)
    asked = questions.answer(
        session,
        viewer_id=access.viewer.id,
        project=access.project,
        question_id=question_id,
        text=sent.answer,
        is_shared=sent.is_shared,
        is_example=sent.is_example,
    )
    return _one(session, access, asked)


@router.get("/projects/{project_id}/guidelines/changes")
def read_changes(session: DbSession, access: ProjectMember) -> ReadingOut:
    """Whether a major version waits for you to confirm that you have read what changed."""
    since = question_queries.unread_since(session, access.project.id, access.viewer)
    newest = queries.current_guideline(session, access.project.id) if since is not None else None
    return ReadingOut(since=since, newest=newest.number if newest is not None else None)


@router.put("/projects/{project_id}/guidelines/{number}/read", status_code=204)
def confirm_reading(session: DbSession, access: ProjectMember, number: int) -> None:
    questions.confirm_reading(
        session, viewer_id=access.viewer.id, version=access_guideline(session, access.project.id, number)
    )


def _one(session: Session, access: ProjectAccess, asked: GuidelineQuestion) -> QuestionOut:
    [row] = question_queries.questions(session, access.project.id, before=asked.id + 1, limit=1)
    return _out(row, access.viewer.id, is_reviewer=access.may(Role.REVIEWER))


def _out(row: QuestionRow, viewer_id: int, *, is_reviewer: bool) -> QuestionOut:
    asked = row.question
    is_own = asked.asked_by_id == viewer_id
    return QuestionOut(
        id=asked.id,
        anchor=asked.anchor,
        clause=asked.clause,
        guideline_version=row.version,
        text=asked.text,
        asker=row.asker if is_reviewer or is_own else None,
        is_own=is_own,
        asked_at=asked.asked_at,
        answer=asked.answer,
        answered_at=asked.answered_at,
        is_shared=asked.is_shared,
        is_example=asked.is_example,
    )
