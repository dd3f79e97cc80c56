"""The page behind an invitation link: what one is invited to, the consent text, and joining."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts import queries
from app.accounts.access import OptionalViewer, Viewer
from app.accounts.doors import begin_session, field_errors, person_errors, throttled, with_session
from app.accounts.schemas import AcceptInvitation, NewPerson
from app.accounts.service import consent, invitations
from app.errors import AppError
from app.models import OneTimeLink
from app.web import markdown
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/invitations/{token}")
def show_invitation(request: Request, session: DbSession, viewer: OptionalViewer, token: str) -> Response:
    link = invitations.find(session, token)
    return _page(request, session, link, token, viewer, {"email": link.email}, {})


@router.post("/invitations/{token}", dependencies=[Depends(throttled("invitation", 200))])
def accept_invitation(
    request: Request, session: DbSession, viewer: OptionalViewer, fields: FormFields, token: str
) -> Response:
    """Join: as oneself when signed in, otherwise as a new person."""
    link = invitations.find(session, token)
    answer = redirect(request, f"/projects/{link.project_id}")
    try:
        if viewer is not None:
            wanted, _errors = parse_form(AcceptInvitation, fields)
            ticked = wanted is not None and wanted.has_consented
            consents = None if viewer.has_consented else ticked
            invitations.accept(session, token=token, user_id=viewer.id, consents=consents)
            return answer
        person, errors = parse_form(NewPerson, fields)
        if person is not None:
            errors = person_errors(person)
        if person is None or errors:
            return _page(request, session, link, token, viewer, fields, errors)
        user = invitations.accept_as_stranger(session, token=token, **person.model_dump())
    except AppError as error:
        return _page(request, session, link, token, viewer, fields, field_errors(error))
    return with_session(answer, begin_session(request, session, user.id))


def _page(
    request: Request,
    session: Session,
    link: OneTimeLink,
    token: str,
    viewer: Viewer | None,
    values: dict[str, Any],
    errors: dict[str, str],
) -> Response:
    _number, body = consent.newest_text(session)
    needs_consent = viewer is None or not viewer.has_consented
    context = {
        "token": token,
        "link": link,
        "project_name": queries.project_name(session, link.project_id or 0),
        "inviter_name": queries.user_name(session, link.created_by_id or 0),
        "consent_text": markdown.render(body) if needs_consent else None,
        "values": values,
        "errors": errors,
    }
    return render(request, "accounts/invitation.html", context, status=422 if errors else 200)
