"""create_app(): middleware, routers, one error handler, static files."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from app import database
from app.accounts.access import ConsentRequired
from app.config import settings
from app.errors import AppError, Forbidden, Invalid, NotFound, SignInRequired, TooManyRequests, Unavailable
from app.routes import api_routers, page_routers
from app.web.gate import Gate
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.observability import RequestContext, configure_logging, metrics_text
from app.web.rate import RateLimit
from app.web.render import STATIC, render
from app.web.security import CSRF_FIELD, SAFE_METHODS, CsrfFailed, posted_pairs, protect_from_csrf

log = structlog.get_logger(__name__)

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes that a request may carry; the routes that take files say so themselves.

It stands on the routers, since the app's own limit would speak before the route is known: the gate reads first."""


class CachedStatic(StaticFiles):
    """Addresses that carry a content hash may be kept for ever."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app() -> FastAPI:
    configure_logging()
    config = settings()
    app = FastAPI(
        title="Accord",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(RequestContext, on_error=answer_error),
            Middleware(RateLimit, per_minute=config.request_rate),
            Middleware(Gate, places=config.database_pool_size, seconds=config.request_queue_seconds),
        ],
    )
    app.mount("/static", CachedStatic(directory=STATIC), name="static")
    app.include_router(operations)
    for router in page_routers():
        app.include_router(
            router, dependencies=[Depends(protect_from_csrf)], include_in_schema=False, max_body_size=LARGEST_BODY
        )
    for router in api_routers():
        app.include_router(
            router, prefix="/api/v1", dependencies=[Depends(protect_from_csrf)], max_body_size=LARGEST_BODY
        )
    app.add_exception_handler(AppError, answer_error)
    app.add_exception_handler(HTTPException, answer_error)
    app.add_exception_handler(RequestValidationError, answer_error)
    app.add_exception_handler(OperationalError, answer_error)
    app.add_exception_handler(DBAPIError, answer_error)
    app.add_exception_handler(PoolTimeout, answer_error)
    return app


operations = APIRouter(include_in_schema=False)


@operations.get("/healthz")
def healthz() -> PlainTextResponse:
    """The process lives; says nothing about the servers it needs."""
    return PlainTextResponse("ok")


@operations.get("/readyz")
def readyz() -> JSONResponse:
    """Whether work can be done, and if not, which server does not answer."""
    try:
        database.is_reachable()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is that the database is away
        log.warning("not_ready", error=type(error).__name__)
        return JSONResponse({"ready": False, "fault": "The database does not answer."}, status_code=503)
    return JSONResponse({"ready": True})


@operations.get("/metrics")
def metrics(request: Request) -> Response:
    """Prometheus text for whoever holds the token; without a token set, for this machine only."""
    token = settings().metrics_token.get_secret_value()
    if token:
        sent = request.headers.get("authorization", "")
        if not secrets.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            raise Forbidden("A token is needed to read the metrics.")
    elif request.client is not None and request.client.host not in ("127.0.0.1", "::1", "testclient"):
        raise Forbidden("Set ACCORD_METRICS_TOKEN to read the metrics from elsewhere.")
    return Response(metrics_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def answer_error(request: Request, error: Exception) -> Response:
    """The one place where an error becomes an answer: problem+json for programs, a page for people."""
    problem = _as_app_error(error)
    if problem.status >= 500:
        log.error("request_failed", error=str(error), kind=type(error).__name__, exc_info=error)
    headers = {"Retry-After": str(problem.retry_after)} if isinstance(problem, TooManyRequests) else {}
    if request.url.path.startswith("/api/"):
        return _problem_json(problem, headers)
    return await _error_page(request, problem, headers)


def _as_app_error(error: Exception) -> AppError:
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        field = str(first["loc"][-1]) if first["loc"] else None
        if first["loc"][:1] == ("path",):
            return NotFound()
        return Invalid("%(name)s: %(problem)s.", field=field, name=field, problem=first["msg"], code="invalid_field")
    if isinstance(error, HTTPException):
        if error.status_code == NotFound.status:
            return NotFound()
        found = AppError(str(error.detail), code=f"http_{error.status_code}")
        found.status = error.status_code
        return found
    if isinstance(error, PoolTimeout | OperationalError):
        return Unavailable("The database does not answer just now. Nothing was saved; please try again in a moment.")
    return AppError("Something went wrong on our side. Nothing was saved; the request id below helps to find out why.")


def _sentence(problem: AppError) -> str:
    text = _(problem.message)
    return text % problem.parameters if problem.parameters else text


def _problem_json(problem: AppError, headers: dict[str, str]) -> JSONResponse:
    body: dict[str, Any] = {
        "type": f"urn:accord:{problem.code}",
        "title": problem.code.replace("_", " "),
        "status": problem.status,
        "detail": _sentence(problem),
        "code": problem.code,
        "parameters": {name: str(value) for name, value in problem.parameters.items()},
    }
    if problem.field:
        body["field"] = problem.field
    if problem.details:
        body["details"] = problem.details
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


async def _error_page(request: Request, problem: AppError, headers: dict[str, str]) -> Response:
    is_safe = request.method in SAFE_METHODS
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if isinstance(problem, SignInRequired) and is_safe:
        return redirect(request, f"/sign-in?next={quote(address)}")
    if isinstance(problem, ConsentRequired) and is_safe:
        return redirect(request, f"/consent?next={quote(address)}")
    context: dict[str, Any] = {"problem": problem, "sentence": _sentence(problem), "status": problem.status}
    template = "errors/error.html"
    if not is_safe and isinstance(problem, SignInRequired | ConsentRequired | CsrfFailed):
        # Nothing typed is lost: the form comes back with its values, for the person to send again.
        kept = [(name, value) for name, value in await posted_pairs(request) if name != CSRF_FIELD]
        context |= {"kept": kept, "action": address}
        template = "errors/kept_form.html"
    if request.headers.get("HX-Request") == "true":
        headers |= {"HX-Retarget": "body", "HX-Reswap": "innerHTML"}
    return render(request, template, context, status=problem.status, headers=headers)
