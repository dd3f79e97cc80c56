"""JSON logs with request ids, and Prometheus metrics."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import settings
from app.web import i18n
from app.web.security import SECURITY_HEADERS, visit_cookie_name

REGISTRY = CollectorRegistry()
REQUESTS = Counter("accord_requests_total", "Answered requests", ["method", "route", "status"], registry=REGISTRY)
SECONDS = Histogram(
    "accord_request_seconds",
    "Time to answer a request",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
JUDGEMENTS = Counter("accord_judgements_total", "Judgements taken", ["standing"], registry=REGISTRY)

OnError = Callable[[Request, Exception], Awaitable[Response]]
log = structlog.get_logger("accord.request")
QUIET = ("/static/", "/healthz", "/readyz", "/metrics")


def configure_logging() -> None:
    """Everything through structlog to standard error, one object a line (or colours in a terminal)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    final: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings().log_format == "json"
        else [structlog.dev.ConsoleRenderer()]
    )
    level = logging.getLevelNamesMapping().get(settings().log_level.upper(), logging.INFO)
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("uvicorn.access").disabled = True


def metrics_text() -> bytes:
    return generate_latest(REGISTRY)


class RequestContext:
    """Outermost middleware: request id, log line, metrics, security headers, locale and the visit cookie."""

    def __init__(self, app: ASGIApp, *, on_error: OnError) -> None:
        self.app = app
        self.on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        request_id = _clean_id(headers.get(b"x-request-id", b"").decode("latin-1")) or uuid4().hex
        structlog.contextvars.clear_contextvars()
        via = "api" if scope["path"].startswith("/api/") else "web"
        structlog.contextvars.bind_contextvars(request_id=request_id, via=via)
        i18n.begin_request(i18n.negotiate(headers.get(b"accept-language", b"").decode("latin-1")))
        scope.setdefault("state", {})["request_id"] = request_id
        status, started, has_started = 500, time.perf_counter(), False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                _add_headers(scope, message, request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if has_started:
                raise
            # Answered here and not by Starlette's outermost layer, which would leave the security headers out.
            answer = await self._answer(Request(scope, receive), error)
            await answer(scope, receive, send_with_headers)
        finally:
            _observe(scope, status, time.perf_counter() - started)

    async def _answer(self, request: Request, error: Exception) -> Response:
        try:
            return await self.on_error(request, error)
        except Exception:
            log.exception("error_page_failed")
            return PlainTextResponse("Something went wrong on our side. Nothing was saved.", status_code=500)


def _clean_id(text: str) -> str:
    return text if 8 <= len(text) <= 64 and text.replace("-", "").isalnum() else ""


def _add_headers(scope: Scope, message: MutableMapping[str, Any], request_id: str) -> None:
    present = {name.lower() for name, _ in message["headers"]}
    added = {**SECURITY_HEADERS, "X-Request-Id": request_id}
    if settings().is_https:
        added["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    for name, value in added.items():
        if name.lower().encode() not in present:
            message["headers"].append((name.lower().encode(), value.encode()))
    new_visit = scope["state"].get("new_visit")
    if new_visit:
        secure = "; Secure" if settings().is_https else ""
        cookie = f"{visit_cookie_name()}={new_visit}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}"
        message["headers"].append((b"set-cookie", cookie.encode()))


def _observe(scope: Scope, status: int, seconds: float) -> None:
    route = scope.get("route")
    path = getattr(route, "path", "") or ("/static" if scope["path"].startswith("/static/") else "unmatched")
    REQUESTS.labels(scope["method"], path, str(status)).inc()
    SECONDS.labels(path).observe(seconds)
    if not scope["path"].startswith(QUIET) or status >= 500:
        log.info(
            "request", method=scope["method"], path=scope["path"], status=status, milliseconds=round(seconds * 1000, 1)
        )
