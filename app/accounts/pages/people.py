"""Everybody on this installation, for its admins: the one place where real names and pseudonyms stand together."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts import people_queries
from app.accounts.access import InstanceAdmin, PathId, Viewer
from app.accounts.navigation import home_nav
from app.accounts.pages.inbox import Before
from app.accounts.schemas import NewMessage
from app.accounts.service import inbox, people, resets
from app.errors import NotFound
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
PAGE = 50
STATES = {"": None, "active": True, "closed": False}


@router.get("/people")
def show_people(
    request: Request, session: DbSession, viewer: InstanceAdmin, q: str = "", state: str = "", before: Before = None
) -> Response:
    """Search and state stand in the address."""
    search = q.replace("\x00", "").strip()[:100]
    found = people_queries.people(session, search=search, is_active=STATES.get(state), before=before, limit=PAGE + 1)
    filters = {name: value for name, value in (("q", search), ("state", state)) if value}
    more = urlencode({**filters, "before": found[PAGE - 1].user.id}) if len(found) > PAGE else ""
    context = {
        "nav": home_nav(viewer, "people"),
        "people": found[:PAGE],
        "q": search,
        "state": state,
        "next_url": f"/people?{more}" if more else None,
        "first_url": f"/people?{urlencode(filters)}" if before else None,
    }
    return render(request, "accounts/people.html", context, block="results")


@router.get("/people/{user_id}")
def show_person(
    request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId, done: str = ""
) -> Response:
    return _page(request, session, viewer, user_id, done=done)


@router.post("/people/{user_id}/deactivate")
def deactivate(request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> Response:
    people.deactivate(session, user_id=user_id, actor_id=viewer.id)
    return redirect(request, f"/people/{user_id}?done=deactivated")


@router.post("/people/{user_id}/reactivate")
def reactivate(request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> Response:
    people.reactivate(session, user_id=user_id, actor_id=viewer.id)
    return redirect(request, f"/people/{user_id}?done=reactivated")


@router.post("/people/{user_id}/grant-admin")
def grant_admin(request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> Response:
    people.grant_instance_admin(session, user_id=user_id, actor_id=viewer.id)
    return redirect(request, f"/people/{user_id}?done=granted")


@router.post("/people/{user_id}/withdraw-admin")
def withdraw_admin(request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> Response:
    people.withdraw_instance_admin(session, user_id=user_id, actor_id=viewer.id)
    return redirect(request, "/" if user_id == viewer.id else f"/people/{user_id}?done=withdrawn")


@router.post("/people/{user_id}/reset-link")
def create_reset_link(request: Request, session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> Response:
    """The answer shows the link, this once."""
    user = people.require_person(session, user_id)
    _link, url = resets.create_link(session, user=user, actor_id=viewer.id)
    return _page(request, session, viewer, user_id, reset_url=url)


@router.post("/people/{user_id}/message")
def write_message(
    request: Request, session: DbSession, viewer: InstanceAdmin, fields: FormFields, user_id: PathId
) -> Response:
    people.require_person(session, user_id)
    wanted, errors = parse_form(NewMessage, fields)
    if wanted is None:
        return _page(request, session, viewer, user_id, values=fields, errors=errors)
    inbox.write_to(session, user_id=user_id, actor_id=viewer.id, project_id=None, **wanted.model_dump())
    return redirect(request, f"/people/{user_id}?done=message")


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    user_id: int,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    reset_url: str | None = None,
    done: str = "",
) -> Response:
    person = people_queries.person(session, user_id)
    if person is None:
        raise NotFound
    done_sentences = {
        "deactivated": _("The account is closed. Sign-ins and tokens have ended, open tasks go back to the queue."),
        "reactivated": _("The account is open again."),
        "granted": _("Now an admin of this installation."),
        "withdrawn": _("No longer an admin of this installation."),
        "message": _("The message is in the inbox."),
    }
    context = {
        "nav": home_nav(viewer, "people"),
        "person": person,
        "values": values or {},
        "errors": errors or {},
        "reset_url": reset_url,
        "has_mail": inbox.has_mail(),
        "toasts": [("success", done_sentences[done])] if done in done_sentences else [],
    }
    return render(request, "accounts/person.html", context, status=422 if errors else 200)
