"""The verbs of questions about the guidelines: ask, answer; and confirming that a version was read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.accounts.service.inbox import notify
from app.errors import Conflict, Invalid, NotFound
from app.models import GuidelineQuestion, GuidelineVersion, Project
from app.projects import queries, question_queries
from app.projects.guide import outline
from app.web.i18n import N_

MOST_OPEN = 20
"""Questions of one person that may wait for an answer at once, so that one person cannot fill the queue."""
ASKED_IN_A_WINDOW = 60
"""Attempts to ask from one address, in the window of app.accounts.doors."""
ANSWERED = N_("Your question about the guidelines was answered")
ANSWER = N_("You asked in %(project)s:\n\n> %(question)s\n\nThe answer:\n\n%(answer)s")


def ask(session: Session, *, viewer_id: int, project: Project, anchor: str, text: str) -> GuidelineQuestion:
    """A question about a clause of the guidelines that hold, or about all of them (an empty anchor)."""
    version = queries.current_guideline(session, project.id)
    if version is None:
        raise Conflict("There are no guidelines yet that one could ask about.", code="no_guidelines")
    titles = {clause.anchor: clause.title for clause in outline(version)} | {"": ""}
    if anchor not in titles:
        raise Invalid("This clause is not in the guidelines any more. Choose one of the list.", field="anchor")
    if question_queries.count_open(session, project.id, asked_by=viewer_id) >= MOST_OPEN:
        raise Conflict(
            "%(most)s of your questions wait for an answer already. Please wait for some of them.",
            code="too_many_questions",
            most=MOST_OPEN,
        )
    asked = GuidelineQuestion(
        project_id=project.id,
        guideline_version_id=version.id,
        anchor=anchor,
        clause=titles[anchor],
        text=text,
        asked_by_id=viewer_id,
    )
    session.add(asked)
    session.flush()
    session.refresh(asked)
    audit.record(session, "guideline.ask", actor_id=viewer_id, project_id=project.id, target=asked, anchor=anchor)
    return asked


def answer(
    session: Session,
    *,
    viewer_id: int,
    project: Project,
    question_id: int,
    text: str,
    is_shared: bool,
    is_example: bool,
) -> GuidelineQuestion:
    """Answer, or change the answer. An example is shared too. The asker is told of the first answer."""
    asked = question_queries.question(session, project.id, question_id, lock=True)
    if asked is None:
        raise NotFound
    is_first = asked.answered_at is None
    asked.answered_at = session.scalar(sa.select(sa.func.now()))
    asked.answer, asked.answered_by_id = text, viewer_id
    asked.is_shared, asked.is_example = is_shared or is_example, is_example
    session.flush()
    audit.record(
        session,
        "guideline.answer",
        actor_id=viewer_id,
        project_id=project.id,
        target=asked,
        is_shared=asked.is_shared,
        is_example=asked.is_example,
        is_first=is_first,
    )
    if is_first and asked.asked_by_id != viewer_id:
        notify(
            session,
            asked.asked_by_id,
            ANSWERED,
            ANSWER,
            project=project.name,
            question=asked.text.replace("\n", "\n> "),
            answer=text,
        )
    return asked


def confirm_reading(session: Session, *, viewer_id: int, version: GuidelineVersion) -> None:
    """The person has read this version. Confirming twice is the same as once."""
    if question_queries.insert_reading(session, user_id=viewer_id, guideline_version_id=version.id):
        audit.record(
            session,
            "guideline.read",
            actor_id=viewer_id,
            project_id=version.project_id,
            target=version,
            number=version.number,
        )
