"""Addresses that come with a request: where to go next, and where somebody comes from."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.requests import Request

_UNSAFE = re.compile(r"[\\\x00-\x20\x7f-\x9f]")


def local_path(address: object, default: str = "/") -> str:
    r"""`address` when it is a path on this site, else `default`.

    Browsers read a backslash as a slash and drop tabs and line ends, so that "/\evil" and "/<tab>/evil" lead away.
    """
    text = str(address or "")
    if not text.startswith("/") or text.startswith("//") or _UNSAFE.search(text) or len(text) > 2000:
        return default
    parts = urlsplit(text)
    return default if parts.scheme or parts.netloc else text


def client_address(request: Request) -> str | None:
    """The client's IP address (the server has already weighed X-Forwarded-For), None when it is not one."""
    host = request.client.host if request.client is not None else ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
