"""The set-up page behind the one-time link: the first admin, and the consent text that comes with the program."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.doors import begin_session, field_errors, person_errors, throttled, with_session
from app.accounts.schemas import NewPerson
from app.accounts.service import consent, setup
from app.errors import AppError
from app.web import markdown
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/setup/{token}")
def show_setup(request: Request, session: DbSession, token: str) -> Response:
    setup.find_setup_link(session, token)
    return _page(request, session, token, {}, {})


@router.post("/setup/{token}", dependencies=[Depends(throttled("setup", 30))])
def complete_setup(request: Request, session: DbSession, fields: FormFields, token: str) -> Response:
    setup.find_setup_link(session, token)
    wanted, errors = parse_form(NewPerson, fields)
    if wanted is not None:
        errors = person_errors(wanted)
    if wanted is None or errors:
        return _page(request, session, token, fields, errors)
    try:
        user = setup.make_first_admin(
            session, token=token, name=wanted.name, email=wanted.email, password=wanted.password
        )
    except AppError as error:
        return _page(request, session, token, fields, field_errors(error))
    return with_session(redirect(request, "/"), begin_session(request, session, user.id))


def _page(request: Request, session: Session, token: str, values: dict[str, Any], errors: dict[str, str]) -> Response:
    _number, body = consent.newest_text(session)
    context = {"token": token, "values": values, "errors": errors, "consent_text": markdown.render(body)}
    return render(request, "accounts/setup.html", context, status=422 if errors else 200)
