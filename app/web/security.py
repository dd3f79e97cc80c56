"""Headers, CSRF and the anonymous visit cookie.

CSRF is refused twice over: the browser's own Sec-Fetch-Site/Origin must name this site, and the form or header must
carry a token made from a cookie that no other site can read or set. The token depends on the visit, not on the
sign-in: a form typed before the sign-in expired is still good afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from app.config import settings
from app.errors import Forbidden

CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data:; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "manifest-src 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "base-uri 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}


class CsrfFailed(Forbidden):
    """The form is too old or does not come from our page; main.py shows it again with the values kept."""

    code = "csrf_failed"


def visit_cookie_name() -> str:
    return "__Host-accord_visit" if settings().is_https else "accord_visit"


def session_cookie_name() -> str:
    return "__Host-accord_session" if settings().is_https else "accord_session"


def visit(request: Request) -> str:
    """This browser's random visit id; a new one is remembered on the request and set on its response."""
    found = getattr(request.state, "visit", None) or request.cookies.get(visit_cookie_name(), "")
    if len(found) < 20:
        found = secrets.token_urlsafe(24)
        request.state.new_visit = found
    request.state.visit = found
    return str(found)


def csrf_token(request: Request) -> str:
    key = settings().secret_key.get_secret_value().encode()
    return hmac.new(key, b"csrf:" + visit(request).encode(), hashlib.sha256).hexdigest()


def set_cookie(response: Response, name: str, value: str, *, max_age: int) -> None:
    response.set_cookie(
        name, value, max_age=max_age, path="/", secure=settings().is_https, httponly=True, samesite="lax"
    )


def clear_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=settings().is_https, httponly=True, samesite="lax")


def is_same_site(request: Request) -> bool:
    """Whether the browser says that this request comes from our own pages (or says nothing at all)."""
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    allowed = {urlsplit(settings().public_url).netloc, request.headers.get("host", "")}
    return urlsplit(origin).netloc in allowed


async def protect_from_csrf(request: Request) -> None:
    """Dependency of every router with pages, and of the API when a cookie signs the person in."""
    if request.method in SAFE_METHODS or request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    if not is_same_site(request):
        raise Forbidden("This request came from another site and was refused.", code="cross_site")
    sent = request.headers.get(CSRF_HEADER) or str((await posted_fields(request)).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(sent.encode(), csrf_token(request).encode()):
        raise CsrfFailed(
            "This form is no longer valid. It is shown again below with what you typed; please send it again."
        )


async def posted_fields(request: Request) -> dict[str, Any]:
    """The text fields of a form post (files left out), the last of several with one name; empty for JSON."""
    return dict(await posted_pairs(request))


async def posted_pairs(request: Request) -> list[tuple[str, str]]:
    """The text fields of a form post in their order, with every value of a name that comes more than once."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return []
    form = await request.form()
    return [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
