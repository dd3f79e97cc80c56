"""The gate: at most as many requests at once as the pool has connections, before any thread hop.

Without it the thread pool fills with requests that wait for a connection while those that hold one wait for a thread
to finish in: with 40 threads over a pool of 10, 120 clients hung for good. A place is taken only when the body is
here, so that a slow sender holds none; bodies too large to wait for share a few places of their own.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WITHOUT_DATABASE = ("/static/", "/healthz", "/metrics")
SMALL_BODY = 1024 * 1024


class Gate:
    """Admits `places` requests; others wait their turn for `seconds`, and are then told to come again."""

    def __init__(self, app: ASGIApp, *, places: int, seconds: float) -> None:
        self.app = app
        self.seconds = seconds
        self.places = asyncio.Semaphore(places)
        self.uploads = asyncio.Semaphore(max(1, places // 3))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(WITHOUT_DATABASE):
            await self.app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self.seconds):
                    received, is_whole = await _read_small_body(receive)
                    if not is_whole:
                        await held.enter_async_context(self.uploads)
                    await held.enter_async_context(self.places)
            except TimeoutError:
                await _busy(scope, receive, send)
                return
            await self.app(scope, _replay(received, receive), send)


async def _read_small_body(receive: Receive) -> tuple[list[Message], bool]:
    """The body's messages so far, and whether that was all of it; stops after SMALL_BODY bytes."""
    received: list[Message] = []
    size = 0
    while size <= SMALL_BODY:
        message = await receive()
        received.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return received, True
    return received, False


def _replay(received: list[Message], receive: Receive) -> Receive:
    waiting = iter(received)

    async def replaying() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replaying


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    answer = PlainTextResponse(
        "The server is busy. Nothing was saved; please try again in a moment.",
        status_code=503,
        headers={"Retry-After": "5"},
    )
    await answer(scope, receive, send)
