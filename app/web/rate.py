"""A ceiling on requests a minute per sign-in or address, so that one script cannot take the site from everybody.

Counted in this process (each web process has a share of its own): it protects the server, not a secret. What guards
passwords is counted in Postgres, see app.web.throttle.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.security import session_cookie_name

KEPT = 10_000


class RateLimit:
    """A token bucket for each key: `per_minute` tokens at most, refilled evenly."""

    def __init__(self, app: ASGIApp, *, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.capacity = float(per_minute)
        self.clock = clock
        self.buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/") or self.admits(_key(scope)):
            await self.app(scope, receive, send)
            return
        answer = PlainTextResponse(
            "These are more requests than the server takes from one place. Please wait a moment and try again.",
            status_code=429,
            headers={"Retry-After": "10"},
        )
        await answer(scope, receive, send)

    def admits(self, key: bytes) -> bool:
        now = self.clock()
        tokens, since = self.buckets.pop(key, (self.capacity, now))
        tokens = min(self.capacity, tokens + (now - since) * self.capacity / 60)
        self.buckets[key] = (max(tokens - 1, 0.0), now)
        while len(self.buckets) > KEPT:
            self.buckets.popitem(last=False)
        return tokens >= 1


def _key(scope: Scope) -> bytes:
    """The sign-in where there is one (people share addresses), else the address."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return hashlib.sha256(value).digest()
        if name == b"cookie" and session_cookie_name().encode() in value:
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(session_cookie_name())
            except CookieError:
                continue
            if morsel is not None:
                return hashlib.sha256(morsel.value.encode()).digest()
    client = scope.get("client")
    return (client[0] if client else "").encode()
