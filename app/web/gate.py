"""The gate: at most as many requests at once as the pool has connections, before any thread hop.

Without it the thread pool fills with requests that wait for a connection while those that hold one wait for a thread
to finish in: with 40 threads over a pool of 10, 120 clients hung for good.
"""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

WITHOUT_DATABASE = ("/static/", "/healthz", "/metrics")


class Gate:
    """Admits `places` requests; others wait their turn for `seconds`, and are then told to come again."""

    def __init__(self, app: ASGIApp, *, places: int, seconds: float) -> None:
        self.app = app
        self.seconds = seconds
        self.places = asyncio.Semaphore(places)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(WITHOUT_DATABASE):
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                await self.places.acquire()
        except TimeoutError:
            busy = PlainTextResponse(
                "The server is busy. Nothing was saved; please try again in a moment.",
                status_code=503,
                headers={"Retry-After": "5"},
            )
            await busy(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self.places.release()
