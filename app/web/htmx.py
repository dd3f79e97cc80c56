"""What htmx 4 sends and understands: partial requests and the answer headers that steer it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response


def wants_partial(request: Request) -> bool:
    """Whether htmx asks for a part of the page; a history restore and a boosted link want the whole."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-History-Restore-Request") != "true"
        and headers.get("HX-Boosted") != "true"
    )


def redirect(request: Request, location: str) -> Response:
    """See other: a plain 303 for forms, HX-Redirect for htmx (fetch would follow a 303 and swap the page's insides)."""
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": location})
    return RedirectResponse(location, status_code=303)
