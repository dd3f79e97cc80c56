"""One's own account: profile, theme, password, sign-ins and API tokens."""

from __future__ import annotations

from typing import Any

from babel import Locale
from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts import queries
from app.accounts.access import BrowserViewer, CurrentViewer, PathId, SignedInViewer, Viewer
from app.accounts.addresses import local_path
from app.accounts.browsers import browser_name
from app.accounts.doors import begin_session, field_errors, throttled, with_session
from app.accounts.navigation import home_nav
from app.accounts.schemas import ChangePassword, NewApiToken, ProfileForm, ReadingForm, ThemeForm
from app.accounts.service import account
from app.errors import AppError
from app.web import i18n
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()


@router.get("/account")
def show_account(request: Request, session: DbSession, viewer: CurrentViewer, done: str = "") -> Response:
    return _page(request, session, viewer, done=done)


@router.post("/account/profile")
def change_profile(request: Request, session: DbSession, viewer: CurrentViewer, fields: FormFields) -> Response:
    wanted, errors = parse_form(ProfileForm, fields)
    if wanted is None:
        return _page(request, session, viewer, values=fields, errors=errors)
    account.change_profile(session, user_id=viewer.id, **wanted.model_dump())
    return redirect(request, "/account?done=profile")


@router.post("/account/theme")
def change_theme(request: Request, session: DbSession, viewer: SignedInViewer, fields: FormFields) -> Response:
    """The switch in the menu; leads back to the page that it was used on."""
    wanted, _errors = parse_form(ThemeForm, fields)
    if wanted is not None:
        account.change_theme(session, user_id=viewer.id, theme=wanted.theme)
    return redirect(request, local_path(fields.get("next")))


@router.post("/account/reading")
def change_reading(request: Request, session: DbSession, viewer: CurrentViewer, fields: FormFields) -> Response:
    wanted, errors = parse_form(ReadingForm, fields)
    if wanted is None:
        return _page(request, session, viewer, errors=errors)
    account.change_reading(session, user_id=viewer.id, **wanted.model_dump())
    return redirect(request, "/account?done=reading#reading")


@router.post("/account/password", dependencies=[Depends(throttled("password", 30))])
def change_password(request: Request, session: DbSession, viewer: BrowserViewer, fields: FormFields) -> Response:
    """All sign-ins end; this browser begins a new one."""
    wanted, errors = parse_form(ChangePassword, fields)
    if wanted is None:
        return _page(request, session, viewer, errors=errors)
    try:
        account.change_password(session, user_id=viewer.id, **wanted.model_dump())
    except AppError as error:
        return _page(request, session, viewer, errors=field_errors(error))
    return with_session(redirect(request, "/account?done=password"), begin_session(request, session, viewer.id))


@router.post("/account/sessions/end-others")
def end_other_sessions(request: Request, session: DbSession, viewer: CurrentViewer) -> Response:
    account.end_other_sessions(session, user_id=viewer.id, but=viewer.sign_in_id)
    return redirect(request, "/account?done=sessions")


@router.post("/account/sessions/{sign_in_id}/end")
def end_session(request: Request, session: DbSession, viewer: CurrentViewer, sign_in_id: PathId) -> Response:
    account.end_session(session, user_id=viewer.id, sign_in_id=sign_in_id)
    return redirect(request, "/account?done=sessions")


@router.post("/account/tokens")
def create_token(request: Request, session: DbSession, viewer: BrowserViewer, fields: FormFields) -> Response:
    """The answer shows the token, this once."""
    wanted, errors = parse_form(NewApiToken, fields)
    if wanted is None:
        return _page(request, session, viewer, errors={"token_name": errors["name"]})
    try:
        _token, secret = account.create_token(session, user_id=viewer.id, name=wanted.name)
    except AppError as error:
        return _page(request, session, viewer, errors={"token_name": field_errors(error)["name"]})
    return _page(request, session, viewer, secret=secret)


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(request: Request, session: DbSession, viewer: CurrentViewer, token_id: PathId) -> Response:
    account.revoke_token(session, user_id=viewer.id, token_id=token_id)
    return redirect(request, "/account?done=token")


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    secret: str | None = None,
    done: str = "",
) -> Response:
    """The whole page; `values` are those of a profile that was refused, `secret` a token just made."""
    done_sentences = {
        "profile": _("Your profile is saved."),
        "reading": _("Your way of reading is saved."),
        "password": _("Your password is changed. All other sign-ins have ended."),
        "sessions": _("Ended."),
        "token": _("The token is revoked and works no longer."),
    }
    context = {
        "nav": home_nav(viewer, "account"),
        "values": values or {"name": viewer.name, "locale": viewer.locale, "theme": viewer.theme},
        "errors": errors or {},
        "secret": secret,
        "locales": [
            (locale, (Locale.parse(locale).display_name or locale).capitalize()) for locale in i18n.available_locales()
        ],
        "sign_ins": [(row, browser_name(row.user_agent)) for row in queries.open_sessions(session, viewer.id)],
        "tokens": queries.open_tokens(session, viewer.id),
        "toasts": [("success", done_sentences[done])] if done in done_sentences else [],
    }
    return render(request, "accounts/account.html", context, status=422 if errors else 200)
