"""The desk: one comparison at a time, and the history of one's own judgements."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.access import CurrentViewer
from app.annotation import labels, queries, service, views
from app.annotation.access import AssignmentAccess, access_assignment
from app.annotation.handing_out import Nothing, next_assignment
from app.annotation.schemas import MAX_NOTE, MAX_RATIONALE, MAX_WRITTEN, JudgementForm, RevisionForm, SkipForm
from app.errors import Invalid
from app.models import Role, Standing
from app.projects.access import ProjectAccess, access_project, require_writable
from app.projects.guide import guide
from app.projects.navigation import studio_nav
from app.projects.question_queries import unread_since
from app.web.htmx import redirect, wants_partial
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession
from app.web.security import posted_fields

router = APIRouter(prefix="/projects/{project_id}/judge")

DICE = random.SystemRandom()
PAGE = "annotation/desk.html"
HISTORY_PAGE_SIZE = 25
BUSY_SECONDS = "1"


def member(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectAccess:
    return access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)


def own_locked(session: DbSession, viewer: CurrentViewer, project_id: int, public_id: UUID) -> AssignmentAccess:
    return access_assignment(session, viewer, project_id, public_id)


def own(session: DbSession, viewer: CurrentViewer, project_id: int, public_id: UUID) -> AssignmentAccess:
    return access_assignment(session, viewer, project_id, public_id, lock=False)


async def form_fields(request: Request) -> dict[str, Any]:
    """The fields as sent; parsed only after access is settled, so that a refusal is one whatever was typed."""
    return await posted_fields(request)


Member = Annotated[ProjectAccess, Depends(member)]
OwnLocked = Annotated[AssignmentAccess, Depends(own_locked)]
Own = Annotated[AssignmentAccess, Depends(own)]
Fields = Annotated[dict[str, Any], Depends(form_fields)]


@router.get("")
def show_desk(request: Request, session: DbSession, access: Member, said: str = "") -> Response:
    """The task on one's desk, or why there is none; what changed in the guidelines comes first."""
    if unread_since(session, access.project.id, access.viewer) is not None:
        return redirect(request, f"/projects/{access.project.id}/guidelines/changes")
    return _next(request, session, access, toasts=_said(said), holds_locks=False)


@router.get("/history")
def show_history(request: Request, session: DbSession, access: Member, cursor: int | None = None) -> Response:
    """Own judgements, newest first; each can be changed while its time for edits lasts."""
    entries, following = views.history_entries(
        session,
        project_id=access.project.id,
        annotator_id=access.viewer.annotator_id,
        before_id=cursor,
        limit=HISTORY_PAGE_SIZE,
        now=datetime.now(UTC),
    )
    base = f"/projects/{access.project.id}/judge"
    context = {
        "project": access.project,
        "nav": studio_nav(access, "judge"),
        "entries": [(entry, labels.answer_label(entry)) for entry in entries],
        "desk_url": base,
        "newest_url": f"{base}/history" if cursor is not None else None,
        "older_url": f"{base}/history?cursor={following}" if following is not None else None,
    }
    return render(request, "annotation/history.html", context)


@router.get("/last")
def show_last(request: Request, session: DbSession, access: Member) -> Response:
    """Undo: the page that changes one's last judgement."""
    base = f"/projects/{access.project.id}/judge"
    found = queries.judged_public_id(session, project_id=access.project.id, annotator_id=access.viewer.annotator_id)
    return redirect(request, f"{base}/edit/{found}" if found is not None else f"{base}/history")


@router.get("/edit/{public_id}")
def show_edit(request: Request, session: DbSession, access: Own) -> Response:
    """An own judgement, to be changed."""
    return _edit_page(request, session, access)


@router.post("/edit/{public_id}")
def post_edit(request: Request, session: DbSession, access: OwnLocked, fields: Fields) -> Response:
    """Append a revision, and go back to the desk."""
    require_writable(access.project)
    try:
        sent = RevisionForm.model_validate(fields)
        service.revise_annotation(
            session,
            row=access.row,
            judgement=sent,
            revision=sent.revision,
            idempotency_key=sent.idempotency_key,
            actor_id=access.project.viewer.id,
            now=datetime.now(UTC),
        )
    except (ValidationError, Invalid) as error:
        return _edit_page(request, session, access, filled={**fields, "error": _complaint(error)})
    return redirect(request, f"/projects/{access.project.project.id}/judge?said=changed")


@router.post("/{public_id}")
def post_judgement(request: Request, session: DbSession, access: OwnLocked, fields: Fields) -> Response:
    """Take the judgement; htmx gets the next task's block, a plain form is led back to the desk."""
    require_writable(access.project)
    now = datetime.now(UTC)
    try:
        sent = JudgementForm.model_validate(fields)
        taken = service.submit_annotation(
            session,
            row=access.row,
            judgement=sent,
            idempotency_key=sent.idempotency_key,
            actor_id=access.project.viewer.id,
            now=now,
        )
    except (ValidationError, Invalid) as error:
        shown = views.serving(session, access.row.assignment, access.project.project, now=now)
        filled = {**fields, "error": _complaint(error)}
        return _desk(request, session, access.project, shown, now=now, filled=filled, status=Invalid.status)
    said = "late" if taken.annotation.standing == Standing.LATE else ""
    return _onwards(request, session, access.project, said=said, guidelines_seen=sent.guideline_number)


@router.post("/{public_id}/skip")
def post_skip(request: Request, session: DbSession, access: OwnLocked, fields: Fields) -> Response:
    """Put a task aside for good, with a reason."""
    require_writable(access.project)
    now = datetime.now(UTC)
    try:
        skip = SkipForm.model_validate(fields)
    except ValidationError as error:
        shown = views.serving(session, access.row.assignment, access.project.project, now=now)
        filled = {"error": _complaint(error)}
        return _desk(request, session, access.project, shown, now=now, filled=filled, status=Invalid.status)
    service.skip_assignment(session, row=access.row, skip=skip, actor_id=access.project.viewer.id, now=now)
    return _onwards(request, session, access.project, guidelines_seen=str(fields.get("guideline_number", "")))


@router.post("/{public_id}/heartbeat")
def post_heartbeat(session: DbSession, access: OwnLocked) -> Response:
    """The person is still at it: the lease runs on, and `Lease-Until` says to when. 409 once it has ended."""
    until = service.keep_lease(session, row=access.row, now=datetime.now(UTC))
    return Response(status_code=204, headers={"Lease-Until": until.isoformat()})


@router.post("/{public_id}/return")
def post_return(request: Request, session: DbSession, access: OwnLocked) -> Response:
    """Stop for now: the task goes back to the queue at once instead of when its time runs out."""
    service.return_assignment(session, row=access.row, actor_id=access.project.viewer.id, now=datetime.now(UTC))
    return redirect(request, "/")


def _onwards(
    request: Request, session: Session, access: ProjectAccess, *, said: str = "", guidelines_seen: str
) -> Response:
    """After a deed: the next task's block in the same transaction, or the way back to the desk."""
    desk = f"/projects/{access.project.id}/judge"
    if not wants_partial(request):
        return redirect(request, f"{desk}?said={said}" if said else desk)
    return _next(request, session, access, toasts=_said(said), holds_locks=True, guidelines_seen=guidelines_seen)


def _next(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    toasts: list[tuple[str, str]],
    holds_locks: bool,
    guidelines_seen: str | None = None,
) -> Response:
    now = datetime.now(UTC)
    annotator_id = access.viewer.annotator_id
    found = next_assignment(
        session, project_id=access.project.id, annotator_id=annotator_id, dice=DICE, now=now, holds_locks=holds_locks
    )
    if isinstance(found, Nothing):
        return _empty_desk(request, session, access, found, now=now, toasts=toasts)
    shown = views.serving(session, found, access.project, now=now)
    if guidelines_seen is not None and guidelines_seen != str(shown.content.guideline_number or ""):
        return redirect(request, f"/projects/{access.project.id}/judge?said=guidelines")
    return _desk(request, session, access, shown, now=now, toasts=toasts)


def _desk(
    request: Request,
    session: Session,
    access: ProjectAccess,
    shown: views.Serving,
    *,
    now: datetime,
    filled: dict[str, Any] | None = None,
    toasts: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> Response:
    context = _page_context(request, session, access, shown.progress, shown.assignment.guideline_version_id)
    context |= {"task": views.task_context(shown, now=now, filled=filled), "toasts": toasts or []}
    return render(request, PAGE, context, block="work", status=status)


def _empty_desk(
    request: Request,
    session: Session,
    access: ProjectAccess,
    reason: Nothing,
    *,
    now: datetime,
    toasts: list[tuple[str, str]],
) -> Response:
    progress = queries.progress(
        session,
        project_id=access.project.id,
        annotator_id=access.viewer.annotator_id,
        day_start=views.day_start(access.project, now),
    )
    context = _page_context(request, session, access, progress, None)
    context |= {"task": None, "nothing": labels.nothing_context(reason), "toasts": toasts}
    headers = {"Refresh": BUSY_SECONDS} if reason == Nothing.BUSY else None
    return render(request, PAGE, context, block="work", headers=headers)


def _page_context(
    request: Request,
    session: Session,
    access: ProjectAccess,
    progress: tuple[int, int],
    guideline_version_id: int | None,
) -> dict[str, Any]:
    """What stands around the task; a part of the page leaves the guidelines where they are."""
    base = f"/projects/{access.project.id}/judge"
    context = {
        "project": access.project,
        "progress": views.progress_context(*progress),
        "desk_url": base,
        "history_url": f"{base}/history",
        "exit_url": "/",
        "is_partial": wants_partial(request),
        "guidelines": None,
        "guidelines_version": None,
        "guidelines_url": f"/projects/{access.project.id}/guidelines",
    }
    if not wants_partial(request):
        guideline = queries.guideline(session, guideline_version_id)
        if guideline is not None:
            context["guidelines"] = guide(session, guideline)
            context["guidelines_version"] = _("version %(number)s") % {"number": guideline.number}
    return context


def _edit_page(
    request: Request, session: Session, access: AssignmentAccess, *, filled: dict[str, Any] | None = None
) -> Response:
    now = datetime.now(UTC)
    newest = service.editable(session, row=access.row, now=now)
    project = access.project
    shown = views.serving(session, access.row.assignment, project.project, now=now)
    key = service.revision_key(access.row.assignment, newest.revision)
    newest_guideline = queries.newest_guideline_id(session, project.project.id)
    context = _page_context(request, session, project, shown.progress, newest_guideline)
    context |= {
        "task": views.edit_context(shown, newest, shown_ids=access.row.shown_ids, key=key, filled=filled),
        "is_edit": True,
        "exit_url": context["history_url"],
    }
    return render(request, PAGE, context, status=Invalid.status if filled else 200)


def _said(word: str) -> list[tuple[str, str]]:
    """The message that a redirect leaves behind; an unknown word says nothing."""
    texts = {
        "late": (
            "info",
            _("Your answer came after its place was taken. It was kept and credited to you, but is not counted."),
        ),
        "changed": ("success", _("Your change was saved.")),
        "guidelines": ("info", _("The guidelines have changed. Please read the new version beside the task.")),
    }
    return [texts[word]] if word in texts else []


def _complaint(error: ValidationError | Invalid) -> str:
    """What is wrong with a form, as a sentence for its reader."""
    if isinstance(error, Invalid):
        text = _(error.message)
        return text % error.parameters if error.parameters else text
    place = error.errors(include_url=False, include_input=False)[0]["loc"]
    field = str(place[0]) if place else ""
    texts = {
        "choice": _("Choose which response is better, or skip this one."),
        "rationale": _("Your reasons are too long: %(maximum)s characters at most.") % {"maximum": MAX_RATIONALE},
        "skip_reason": _("Choose a reason for skipping."),
        "note": _("Your note is too long: %(maximum)s characters at most.") % {"maximum": MAX_NOTE},
        "edit": _("Your text is too long, or does not say which response it is a copy of."),
        "demonstration": _("Your text is too long: %(maximum)s characters at most.") % {"maximum": MAX_WRITTEN},
    }
    return texts.get(field, _("This form cannot be used as it was sent. Please load the page again."))
