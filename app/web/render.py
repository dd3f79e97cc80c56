"""Jinja2 with gettext: one template gives a block to htmx and the page to everybody else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.config import settings
from app.web import i18n
from app.web.filters import FILTERS
from app.web.htmx import wants_partial
from app.web.security import csrf_token

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"


@lru_cache
def environment() -> jinja2.Environment:
    """The one environment: autoescaping, undefined names are errors, translations of the request's locale."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
        auto_reload=settings().environment == "development",
    )
    for translate in (i18n.gettext, i18n.ngettext, i18n.pgettext, i18n.npgettext):
        env.globals[translate.__name__] = _escaped_like_any_text(translate)
    env.globals["_"] = env.globals["gettext"]
    env.filters.update(FILTERS)
    env.globals.update(
        static=static_url,
        current_locale=i18n.current_locale,
        text_direction=i18n.text_direction,
        available_locales=i18n.available_locales,
    )
    return env


def _escaped_like_any_text(translate: Callable[..., str]) -> Callable[..., str]:
    """gettext for templates: `_("%(n)s left", n=3)`, `ngettext("one", "%(num)s", count)`; escaped where it is put out.

    Jinja's own newstyle gettext calls every message safe, so that a quotation mark in one would end an attribute.
    A value that is markup already (a time element) stays so, and the text around it is escaped.
    """

    def translated(*message: Any, **values: Any) -> str:
        text = translate(*message)
        if isinstance(message[-1], int):
            values.setdefault("num", message[-1])
        if any(hasattr(value, "__html__") for value in values.values()):
            return escape(text) % values
        return text % values if values else text.replace("%%", "%")

    return translated


@lru_cache(maxsize=512)
def static_url(path: str) -> str:
    """/static/<path>?v=<hash>: such an address may be cached for ever."""
    try:
        digest = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        raise jinja2.TemplateNotFound(f"static/{path}") from None
    return f"/static/{path}?v={digest}"


def render(
    request: Request,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    block: str | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> HTMLResponse:
    """The page, or only `block` of it when htmx asks for a part and a block is named."""
    values = {**page_context(request), **(context or {})}
    loaded = environment().get_template(template)
    if block is not None and wants_partial(request):
        rendered = loaded.new_context(values)
        # A template's own imports and sets stand at its top and run before its first output; blocks use them.
        next(loaded.root_render_func(rendered), None)
        body = "".join(loaded.blocks[block](rendered))
    else:
        body = loaded.render(values)
    response = HTMLResponse(body, status_code=status, headers=headers)
    response.headers["Vary"] = "HX-Request, Cookie"
    response.headers["Cache-Control"] = "no-store"
    return response


def page_context(request: Request) -> dict[str, Any]:
    """What every template may use. `viewer` is None when nobody is signed in."""
    return {
        "request": request,
        "viewer": getattr(request.state, "viewer", None),
        "csrf_token": csrf_token(request),
        "nav": getattr(request.state, "nav", []),
        "unread_count": getattr(request.state, "unread_count", 0),
    }
