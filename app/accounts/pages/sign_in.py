"""Sign-in, with a form that was kept over it, and sign-out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.accounts import queries
from app.accounts.access import OptionalViewer
from app.accounts.addresses import local_path
from app.accounts.doors import KeptFields, begin_session, forgive, throttled_account, with_session
from app.accounts.schemas import SignInForm
from app.accounts.service import sign_in
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession
from app.web.security import clear_cookie, session_cookie_name

router = APIRouter()


@router.get("/sign-in")
def show_sign_in(request: Request, session: DbSession, viewer: OptionalViewer, next: str = "/") -> Response:  # noqa: A002 - as in the address
    if viewer is not None:
        return redirect(request, local_path(next))
    context: dict[str, Any] = {
        "next": local_path(next),
        "email": "",
        "kept": [],
        "error": None,
        "is_new": not queries.has_instance_admin(session),
    }
    return render(request, "accounts/sign_in.html", context)


@router.post("/sign-in", dependencies=[Depends(throttled_account("sign-in"))])
def do_sign_in(request: Request, session: DbSession, fields: FormFields, kept: KeptFields) -> Response:
    address = local_path(fields.get("next"))
    given, _errors = parse_form(SignInForm, fields)
    user = sign_in.verify(session, email=given.email, password=given.password) if given else None
    if user is None:
        sign_in.refuse(session, email=str(fields.get("email", "")))
        context = {
            "next": address,
            "email": fields.get("email", ""),
            "kept": kept,
            "error": _("The e-mail address or the password is not right, or the account is closed."),
            "is_new": False,
        }
        return render(request, "accounts/sign_in.html", context, status=422)
    forgive(session, "sign-in", request, fields)
    token = begin_session(request, session, user.id)
    if kept:
        return with_session(render(request, "accounts/resend.html", {"action": address, "kept": kept}), token)
    return with_session(redirect(request, address), token)


@router.post("/sign-out")
def do_sign_out(request: Request, session: DbSession) -> Response:
    sign_in.sign_out(session, request.cookies.get(session_cookie_name(), ""))
    response = redirect(request, "/")
    clear_cookie(response, session_cookie_name())
    return response
