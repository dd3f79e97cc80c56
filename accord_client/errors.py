"""What can go wrong, as the server says it: a stable code for programs and a sentence for people."""

from __future__ import annotations

from typing import Any


class AccordError(Exception):
    """The server's refusal. `code` is stable, `detail` a sentence, `field` names what was wrong if one thing was."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 0,
        field: str | None = None,
        problem: dict[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.detail = detail
        self.status = status
        self.field = field
        self.problem = problem or {}
        super().__init__(f"{code}: {detail}")


class ConnectionLost(AccordError):
    """No answer came, also after trying again. Whether the server did what was asked is not known."""

    def __init__(self, detail: str) -> None:
        super().__init__("connection_lost", detail)


class JobFailed(AccordError):
    """A job that was waited for failed or was cancelled; `problem` is its result, if it left one."""
