"""A browser at the desk that costs next to nothing: HTTP/1.1 over one kept connection, forms by regular expressions.

A load of hundreds of annotators must not be held up by its own client; httpx takes longer than the server does.
"""

from __future__ import annotations

import asyncio
import re
from html import unescape
from urllib.parse import urlencode

from app.web.security import CSRF_HEADER, session_cookie_name, visit_cookie_name
from tests.support.browsing import VISIT, csrf_for

_ACTION = re.compile(r'action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
ATTEMPTS = 3


class DeskClient:
    """`token` is the person's sign-in cookie. Used by one task at a time."""

    def __init__(self, address: str, token: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._where = (host, int(port))
        cookies = f"{visit_cookie_name()}={VISIT}; {session_cookie_name()}={token}"
        self._head = f"Host: {host}:{port}\r\nCookie: {cookies}\r\n{CSRF_HEADER}: {csrf_for(VISIT)}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, *, htmx: bool = False) -> tuple[int, str]:
        return await self._request(f"GET {path} HTTP/1.1\r\n", b"", htmx=htmx)

    async def post(self, path: str, fields: dict[str, str], *, htmx: bool = False) -> tuple[int, str]:
        return await self._request(f"POST {path} HTTP/1.1\r\n", urlencode(fields).encode(), htmx=htmx)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _request(self, line: str, body: bytes, *, htmx: bool) -> tuple[int, str]:
        """(status, body). A connection that the server closed meanwhile is opened anew, and all is sent again."""
        more = "HX-Request: true\r\n" if htmx else ""
        if body:
            more += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        message = f"{line}{self._head}{more}\r\n".encode() + body
        for _ in range(ATTEMPTS):
            try:
                return await self._exchange(message)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
        raise ConnectionError(line)

    async def _exchange(self, message: bytes) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._where)
        reader, writer = self._streams
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        content = await reader.readexactly(int(found.group(1))) if found else b""
        return int(head[9:12]), content.decode()


def form_of(html: str) -> tuple[str, dict[str, str]] | None:
    """The address and hidden fields of the judgement's form; None when the desk is empty."""
    start = html.find('id="choice-form"')
    if start < 0:
        return None
    part = html[start : html.index("</form>", start)]
    action = _ACTION.search(part)
    assert action
    return action.group(1), {name: unescape(value) for name, value in _HIDDEN.findall(part)}
