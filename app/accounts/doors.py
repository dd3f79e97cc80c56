"""What the doors share: throttles, the cookie of a new sign-in, and forms that were kept over one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.addresses import client_address
from app.accounts.passwords import password_problem
from app.accounts.schemas import NewPerson
from app.accounts.service import consent, sign_in
from app.config import settings
from app.errors import AppError
from app.web.forms import FormFields
from app.web.i18n import N_
from app.web.i18n import gettext as _
from app.web.security import posted_pairs, session_cookie_name, set_cookie
from app.web.throttle import count_attempt, forget_attempts, return_attempt

WINDOW = timedelta(minutes=15)
COOKIE_SECONDS = 400 * 24 * 3600
"""The longest that browsers keep a cookie: when a sign-in ends, the table decides."""
KEPT = "kept_"
TOO_MANY = N_("There were too many attempts. Please wait a few minutes, then try again.")


def throttled(name: str, limit: int) -> Callable[[Request], None]:
    """A dependency for the route's decorator, where it runs before anything touches the request's session."""

    def count(request: Request) -> None:
        count_attempt(f"{name}:address:{_address(request)}", limit=limit, window=WINDOW, message=TOO_MANY)

    return count


def throttled_account(name: str) -> Callable[[Request, dict[str, Any]], None]:
    """Like `throttled`, by address and by account, alike for accounts that do not exist.

    A whole office may share an address, so it may try ten times as often as one account.
    """

    def count(request: Request, fields: FormFields) -> None:
        limit = settings().sign_in_attempts
        for key, times in zip(_account_keys(name, request, fields), (10, 1), strict=True):
            count_attempt(key, limit=limit * times, window=WINDOW, message=TOO_MANY)

    return count


def _account_keys(name: str, request: Request, fields: dict[str, Any]) -> tuple[str, str]:
    """The throttle's keys: the e-mail address as a hash, since the counters are nobody's address book."""
    email = str(fields.get("email", "")).strip().lower()
    return f"{name}:address:{_address(request)}", f"{name}:account:{hashlib.sha256(email.encode()).hexdigest()}"


def forgive(session: Session, name: str, request: Request, fields: dict[str, Any]) -> None:
    """The attempt succeeded: the account's counter is cleared, the address gets this one back."""
    by_address, by_account = _account_keys(name, request, fields)
    forget_attempts(session, by_account)
    return_attempt(session, by_address)


def _address(request: Request) -> str:
    return client_address(request) or "unknown"


def person_errors(person: NewPerson) -> dict[str, str]:
    """All that is wrong beyond the shape of the fields, told at once rather than one by one."""
    errors = {}
    problem = password_problem(person.password, email=person.email, name=person.name)
    if problem:
        errors["password"] = problem
    if not person.has_consented:
        errors["has_consented"] = _(consent.NEEDED)
    return errors


def field_errors(error: AppError) -> dict[str, str]:
    """The error as a sentence at its form's field; one that belongs to no field is raised on."""
    if error.field is None:
        raise error
    return {error.field: _(error.message) % error.parameters if error.parameters else _(error.message)}


def begin_session(request: Request, session: Session, user_id: int) -> str:
    """A fresh sign-in in place of the browser's earlier one; give the token to `with_session`."""
    return sign_in.start_session(
        session,
        user_id,
        address=client_address(request),
        user_agent=request.headers.get("user-agent", ""),
        replaces=request.cookies.get(session_cookie_name()),
    )


def with_session(response: Response, token: str) -> Response:
    set_cookie(response, session_cookie_name(), token, max_age=COOKIE_SECONDS)
    return response


async def _kept_fields(request: Request) -> list[tuple[str, str]]:
    return [(name[len(KEPT) :], value) for name, value in await posted_pairs(request) if name.startswith(KEPT)]


KeptFields = Annotated[list[tuple[str, str]], Depends(_kept_fields)]
"""(name, value) of a form that was typed before the sign-in or consent was asked for; passwords are never kept."""
