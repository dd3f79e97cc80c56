"""Pages of the guidelines: what holds, the editor with its draft, publishing, versions and their differences."""

from __future__ import annotations

from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.errors import Conflict, Invalid, NotFound
from app.models import GuidelineVersion, Role
from app.projects import queries, question_queries, service
from app.projects.access import ProjectAccess, ProjectAdmin, ProjectMember, access_guideline, require_writable
from app.projects.comparison import compare
from app.projects.guide import guide
from app.projects.navigation import studio_nav
from app.projects.schemas import DraftForm
from app.web import markdown
from app.web.forms import Errors, FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
Query = Annotated[str, fastapi.Query(max_length=200)]


@router.get("/projects/{project_id}/guidelines")
def show_guidelines(request: Request, session: DbSession, access: ProjectMember, q: Query = "") -> Response:
    """The version that holds, for everybody in the project."""
    return _version(request, session, access, queries.current_guideline(session, access.project.id), q)


@router.get("/projects/{project_id}/guidelines/versions/{number}")
def show_version(request: Request, session: DbSession, access: ProjectMember, number: int, q: Query = "") -> Response:
    return _version(request, session, access, access_guideline(session, access.project.id, number), q)


def _version(
    request: Request, session: Session, access: ProjectAccess, version: GuidelineVersion | None, query: str
) -> Response:
    """The page; htmx (a search as one types) gets the clauses alone."""
    n_open = question_queries.count_open(session, access.project.id) if access.may(Role.REVIEWER) else 0
    context = {
        **frame(access, n_open),
        "version": version,
        "guide": guide(session, version, query) if version else None,
        "versions": queries.guideline_versions(session, access.project.id),
        "draft": queries.draft(session, access.project.id) if access.may(Role.ADMIN) else None,
    }
    return render(request, "projects/guidelines.html", context, block="clauses" if version else None)


@router.get("/projects/{project_id}/guidelines/compare")
def compare_versions(
    request: Request, session: DbSession, access: ProjectMember, old: int = 0, new: int = 0
) -> Response:
    """What changed from one version to another; without numbers, the last step."""
    versions = queries.guideline_versions(session, access.project.id)
    if not versions:
        raise NotFound
    newer = access_guideline(session, access.project.id, new or versions[0].number)
    older = access_guideline(session, access.project.id, old or max(1, (newer.number or 1) - 1))
    context = {
        **frame(access),
        "old": older,
        "new": newer,
        "lines": compare(older.body, newer.body),
        "versions": versions,
    }
    return render(request, "projects/guidelines_compare.html", context)


@router.get("/projects/{project_id}/guidelines/edit")
def edit_guidelines(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    require_writable(access)
    return _editor(request, session, access, draft=queries.draft(session, access.project.id))


@router.post("/projects/{project_id}/guidelines/draft")
def save_draft(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    """Autosave and the Save button alike; htmx gets the state of the draft and its preview, a browser the page."""
    require_writable(access)
    sent, errors = parse_form(DraftForm, fields)
    if sent is None:
        return _editor(request, session, access, typed=fields, errors=errors, status=422)
    try:
        draft = service.save_draft(
            session, viewer_id=access.viewer.id, project_id=access.project.id, body=sent.body, seen_at=sent.seen()
        )
    except service.DraftConflict as conflict:
        return _editor(request, session, access, typed=fields, conflict=conflict, status=conflict.status)
    return _editor(
        request,
        session,
        access,
        draft=draft,
        typed={"change_note": sent.change_note, "is_major": sent.is_major},
        is_saved=True,
    )


@router.post("/projects/{project_id}/guidelines/publish")
def publish(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    """Save what stands in the editor and publish it, in one transaction."""
    require_writable(access)
    sent, errors = parse_form(DraftForm, fields)
    if sent is None:
        return _editor(request, session, access, typed=fields, errors=errors, status=422)
    draft: GuidelineVersion | None = None
    try:
        draft = service.save_draft(
            session, viewer_id=access.viewer.id, project_id=access.project.id, body=sent.body, seen_at=sent.seen()
        )
        service.publish_guideline(
            session,
            viewer_id=access.viewer.id,
            project_id=access.project.id,
            seen_at=draft.updated_at,
            change_note=sent.change_note,
            is_major=sent.is_major,
        )
    except service.DraftConflict as conflict:
        return _editor(request, session, access, typed=fields, conflict=conflict, status=conflict.status)
    except Invalid as problem:
        sentence = _(problem.message) % problem.parameters
        return _editor(request, session, access, draft=draft, typed=fields, errors={"body": sentence}, status=422)
    return redirect(request, f"/projects/{access.project.id}/guidelines")


@router.post("/projects/{project_id}/guidelines/discard")
def discard_draft(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    if not fields.get("confirm"):
        raise Conflict("Tick the box to say that the draft may be thrown away; it was kept.", code="not_confirmed")
    service.discard_draft(session, viewer_id=access.viewer.id, project_id=access.project.id)
    return redirect(request, f"/projects/{access.project.id}/guidelines")


def _editor(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    draft: GuidelineVersion | None = None,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    conflict: service.DraftConflict | None = None,
    is_saved: bool = False,
    status: int = 200,
) -> Response:
    """The editor; what was `typed` stands before what is stored, so that a refusal loses nothing.

    In a conflict the hidden state stays the one the writer saw: only "Keep mine" names the other one.
    """
    typed = typed or {}
    published = queries.current_guideline(session, access.project.id)
    stored = draft.body if draft is not None else (published.body if published is not None else "")
    body = str(typed.get("body", stored))
    theirs = conflict.theirs if conflict is not None else None
    context = {
        **frame(access),
        "body": body,
        "change_note": str(typed.get("change_note", "")),
        "is_major": bool(typed.get("is_major")),
        "html": markdown.render(body),
        "draft": draft,
        "published": published,
        "seen_at": str(typed.get("seen_at", "")) if draft is None else draft.updated_at.isoformat(),
        "errors": Errors(errors or {}),
        "conflict": conflict,
        "theirs": theirs,
        "their_changes": compare(theirs.body, body) if theirs is not None else [],
        "is_saved": is_saved,
    }
    return render(request, "projects/guidelines_edit.html", context, block="draft_state", status=status)


def frame(access: ProjectAccess, n_open: int = 0) -> dict[str, Any]:
    """What every page of the guidelines needs; `n_open` questions wait for a reviewer's answer."""
    return {
        "nav": studio_nav(access, "guidelines", counts={"guidelines": n_open}),
        "n_open": n_open,
        "project": access.project,
        "may_edit": access.may(Role.ADMIN),
        "role": access.role,
    }
