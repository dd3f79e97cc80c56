"""A signed-in client for tests: cookies, CSRF token, forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts.tokens import new_token
from app.config import settings
from app.models import SignInSession, User
from app.web.security import CSRF_HEADER, session_cookie_name, visit_cookie_name
from tests.support.factories import Factory

VISIT = "a-visit-id-that-tests-use-everywhere"
HOST = "127.0.0.1"  # a cookie that the program sets replaces ours only where the domain is the same


class Browser:
    """Makes clients: `browse(user)` is one that is signed in; each has cookies of its own."""

    def __init__(self, app: FastAPI, session: Session, make: Factory) -> None:
        self.app = app
        self.session = session
        self.make = make

    def __call__(self, user: User | None = None, **headers: str) -> TestClient:
        client = TestClient(self.app, base_url=f"http://{HOST}:8000", follow_redirects=False)
        client.cookies.set(visit_cookie_name(), VISIT, domain=HOST)
        client.headers[CSRF_HEADER] = csrf_for(VISIT)
        client.headers.update(headers)
        if user is not None:
            client.cookies.set(session_cookie_name(), sign_in(self.session, user), domain=HOST)
        return client


def sign_in(session: Session, user: User) -> str:
    """A session row for the user; returns the cookie's value."""
    token, token_hash = new_token()
    session.add(SignInSession(user_id=user.id, token_hash=token_hash, expires_at=datetime.now(UTC) + timedelta(days=1)))
    session.commit()
    return token


def csrf_for(visit: str) -> str:
    import hashlib
    import hmac

    key = settings().secret_key.get_secret_value().encode()
    return hmac.new(key, b"csrf:" + visit.encode(), hashlib.sha256).hexdigest()


def form(**values: Any) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
