"""AppError and its few general children: a status, a stable code and a sentence that a person can act on.

Services raise them, main.py renders them in one place. `message` is a gettext msgid with %(name)s parameters, so
that the sentence can be translated while the code stays the same for programs.
"""

from __future__ import annotations

from typing import Any


class AppError(Exception):
    """An error the reader can act on. `status` is the HTTP status, `code` is stable for API clients."""

    status = 500
    code = "error"
    details: dict[str, Any] | None = None
    """What belongs below the sentence, as JSON: a failed job keeps it as its result."""

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None, **parameters: Any) -> None:
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.parameters = parameters
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """The English sentence, for logs and the command line; pages translate `message` first."""
        return self.message % self.parameters if self.parameters else self.message


class Invalid(AppError):
    """What was sent cannot be used as it is."""

    status = 422
    code = "invalid"


class NotFound(AppError):
    """No such thing, or not for this person: both look the same from outside."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "There is no such page, or you have no access to it.", **parameters: Any) -> None:
        super().__init__(message, **parameters)


class SignInRequired(AppError):
    """Nobody is signed in; pages lead to the sign-in and back."""

    status = 401
    code = "sign_in_required"

    def __init__(self, message: str = "Please sign in first.", **parameters: Any) -> None:
        super().__init__(message, **parameters)


class Forbidden(AppError):
    """Known person, known thing, but not this deed."""

    status = 403
    code = "forbidden"


class Conflict(AppError):
    """The state has moved on, or the same key was used for something else."""

    status = 409
    code = "conflict"


class Gone(AppError):
    """A link that was used, withdrawn or has expired."""

    status = 410
    code = "gone"


class TooLarge(AppError):
    """More bytes or rows than this server accepts."""

    status = 413
    code = "too_large"


class TooManyRequests(AppError):
    """A throttle is closed; `retry_after` says for how many seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: int, **parameters: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **parameters)


class Unavailable(AppError):
    """A server this program needs does not answer, or all connections are busy."""

    status = 503
    code = "unavailable"


class ConfigurationError(AppError):
    """The environment is wrong; the program does not start."""

    code = "configuration"
