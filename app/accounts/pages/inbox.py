"""The inbox: what the program and admins wrote to a person, unread messages first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.accounts import people_queries
from app.accounts.access import CurrentViewer, PathId
from app.accounts.navigation import home_nav
from app.accounts.service import inbox
from app.web.htmx import redirect
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
PAGE = 50
Before = Annotated[int | None, Query(gt=0, lt=2**63)]


@router.get("/inbox")
def show_inbox(request: Request, session: DbSession, viewer: CurrentViewer, before: Before = None) -> Response:
    """Unread messages on the first page only; read ones a page at a time."""
    read = people_queries.messages(session, viewer.id, is_read=True, before=before, limit=PAGE + 1)
    context = {
        "nav": home_nav(viewer, "inbox"),
        "unread": [] if before else people_queries.messages(session, viewer.id, is_read=False, limit=200),
        "read": read[:PAGE],
        "next_url": f"/inbox?before={read[PAGE - 1][0].id}" if len(read) > PAGE else None,
        "first_url": "/inbox" if before else None,
    }
    return render(request, "accounts/inbox.html", context)


@router.get("/inbox/{message_id}")
def show_message(request: Request, session: DbSession, viewer: CurrentViewer, message_id: PathId) -> Response:
    """Opening a message is what marks it as read."""
    message, sender = inbox.open_message(session, user_id=viewer.id, message_id=message_id)
    context = {"nav": home_nav(viewer, "inbox"), "message": message, "sender": sender}
    return render(request, "accounts/message.html", context)


@router.post("/inbox/read")
def mark_all_read(request: Request, session: DbSession, viewer: CurrentViewer) -> Response:
    inbox.mark_all_read(session, user_id=viewer.id)
    return redirect(request, "/inbox")
