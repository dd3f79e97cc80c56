"""Pages of questions about the guidelines, and of what a major version changed since one last read them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from markupsafe import Markup
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.access import PathId
from app.accounts.doors import field_errors, throttled
from app.errors import Invalid
from app.models import Role
from app.projects import queries, question_queries, questions
from app.projects.access import ProjectAccess, ProjectMember, ProjectReviewer, access_guideline, require_writable
from app.projects.comparison import compare
from app.projects.guide import outline
from app.projects.guideline_pages import frame
from app.projects.question_queries import QuestionRow
from app.projects.schemas import AnswerForm, AskForm
from app.web import markdown
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
OPEN_SHOWN = 100
ANSWERED_SHOWN = 25
Cursor = Annotated[int | None, Query(ge=1, lt=2**63)]


@router.get("/projects/{project_id}/guidelines/questions")
def show_questions(
    request: Request,
    session: DbSession,
    access: ProjectMember,
    clause: str = "",
    cursor: Cursor = None,
    said: str = "",
) -> Response:
    """Annotators: own questions, and those that were answered for everybody. Reviewers: all, open ones first."""
    return _page(request, session, access, typed={"anchor": clause}, cursor=cursor, said=said)


@router.post(
    "/projects/{project_id}/guidelines/questions",
    dependencies=[Depends(throttled("question", questions.ASKED_IN_A_WINDOW))],
)
def ask(request: Request, session: DbSession, access: ProjectMember, fields: FormFields) -> Response:
    """htmx (the panel beside the desk) gets the form back with a word of thanks, a browser the list."""
    require_writable(access)
    sent, errors = parse_form(AskForm, fields)
    if sent is None:
        return _page(request, session, access, typed=fields, errors=errors)
    try:
        questions.ask(session, viewer_id=access.viewer.id, project=access.project, anchor=sent.anchor, text=sent.text)
    except Invalid as problem:
        return _page(request, session, access, typed=fields, errors=field_errors(problem))
    if request.headers.get("HX-Request") == "true":
        return _page(request, session, access, said="asked")
    return redirect(request, f"/projects/{access.project.id}/guidelines/questions?said=asked")


@router.post("/projects/{project_id}/guidelines/questions/{question_id}/answer")
def answer(
    request: Request, session: DbSession, access: ProjectReviewer, question_id: PathId, fields: FormFields
) -> Response:
    require_writable(access)
    sent, errors = parse_form(AnswerForm, fields)
    if sent is None:
        return _page(request, session, access, answered=fields | {"id": question_id}, errors=errors)
    questions.answer(
        session,
        viewer_id=access.viewer.id,
        project=access.project,
        question_id=question_id,
        text=sent.answer,
        is_shared=sent.is_shared,
        is_example=sent.is_example,
    )
    return redirect(request, f"/projects/{access.project.id}/guidelines/questions?said=answered")


def _page(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    typed: dict[str, Any] | None = None,
    answered: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    cursor: int | None = None,
    said: str = "",
) -> Response:
    """The whole list; `typed` is a refused question, `answered` a refused answer with the question's id."""
    project_id, viewer = access.project.id, access.viewer
    is_reviewer = access.may(Role.REVIEWER)
    version = queries.current_guideline(session, project_id)
    waiting = question_queries.questions(
        session, project_id, is_open=True, asked_by=None if is_reviewer else viewer.id, limit=OPEN_SHOWN
    )
    done = question_queries.questions(
        session,
        project_id,
        is_open=False,
        visible_to=None if is_reviewer else viewer.id,
        before=cursor,
        limit=ANSWERED_SHOWN + 1,
    )
    shown = done[:ANSWERED_SHOWN]
    context = {
        **frame(access, n_open=question_queries.count_open(session, project_id) if is_reviewer else 0),
        "is_reviewer": is_reviewer,
        "has_guidelines": version is not None,
        "clauses": [(one.anchor, one.title) for one in outline(version) if one.title] if version else [],
        "waiting": [(row, "") for row in waiting],
        "answered": [(row, _answer(row)) for row in shown],
        "next_cursor": shown[-1].question.id if len(done) > ANSWERED_SHOWN else None,
        "cursor": cursor,
        "typed": typed or {},
        "refused": answered or {},
        "errors": Errors(errors or {}),
        "said": said,
    }
    return render(request, "projects/questions.html", context, block="ask", status=422 if errors else 200)


def _answer(row: QuestionRow) -> Markup:
    return markdown.render(row.question.answer, image_label=_("image"))


@router.get("/projects/{project_id}/guidelines/changes")
def show_changes(request: Request, session: DbSession, access: ProjectMember) -> Response:
    """What changed since the version that the person knows; without anything to confirm, the guidelines themselves."""
    since = question_queries.unread_since(session, access.project.id, access.viewer)
    newest = queries.current_guideline(session, access.project.id)
    if since is None or newest is None:
        return redirect(request, f"/projects/{access.project.id}/guidelines")
    notes = [
        version
        for version in queries.guideline_versions(session, access.project.id)
        if version.number > since and version.change_note
    ]
    context = {
        **frame(access),
        "since": since,
        "newest": newest,
        "notes": notes,
        "lines": compare(access_guideline(session, access.project.id, since).body, newest.body),
    }
    return render(request, "projects/guidelines_changes.html", context)


@router.post("/projects/{project_id}/guidelines/versions/{number}/read")
def confirm_reading(request: Request, session: DbSession, access: ProjectMember, number: int) -> Response:
    questions.confirm_reading(
        session, viewer_id=access.viewer.id, version=access_guideline(session, access.project.id, number)
    )
    return redirect(request, f"/projects/{access.project.id}/judge")
