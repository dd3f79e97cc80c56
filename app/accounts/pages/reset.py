"""A forgotten password: asking for a link, and choosing a new password behind one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.accounts.doors import field_errors, throttled, throttled_account
from app.accounts.schemas import AskForReset, ChooseNewPassword
from app.accounts.service import resets
from app.accounts.service.inbox import has_mail
from app.errors import AppError
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/reset")
def show_reset(request: Request) -> Response:
    return render(request, "accounts/forgot.html", {"has_mail": has_mail(), "is_sent": False, "errors": {}})


@router.post("/reset", dependencies=[Depends(throttled("reset-page", 30)), Depends(throttled_account("reset"))])
def ask_for_reset(request: Request, session: DbSession, fields: FormFields) -> Response:
    """The same answer whether or not the address belongs to anybody here."""
    wanted, errors = parse_form(AskForReset, fields)
    if wanted is not None and has_mail():
        resets.ask_by_mail(session, email=wanted.email)
    context = {"has_mail": has_mail(), "is_sent": wanted is not None, "errors": errors}
    return render(request, "accounts/forgot.html", context, status=422 if errors else 200)


@router.get("/reset/{token}")
def show_new_password(request: Request, session: DbSession, token: str) -> Response:
    resets.find(session, token)
    return _page(request, token, {})


@router.post("/reset/{token}", dependencies=[Depends(throttled("reset-link", 30))])
def set_new_password(request: Request, session: DbSession, fields: FormFields, token: str) -> Response:
    """All sign-ins end, and the person signs in with the new password: a link alone lets nobody stay."""
    resets.find(session, token)
    wanted, errors = parse_form(ChooseNewPassword, fields)
    if wanted is None:
        return _page(request, token, errors)
    try:
        resets.set_new_password(session, token=token, password=wanted.password)
    except AppError as error:
        return _page(request, token, field_errors(error))
    return redirect(request, "/sign-in")


def _page(request: Request, token: str, errors: dict[str, Any]) -> Response:
    return render(request, "accounts/reset.html", {"token": token, "errors": errors}, status=422 if errors else 200)
