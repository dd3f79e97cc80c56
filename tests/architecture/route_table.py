"""Who may use which route: the table that tests/architecture/test_routes.py walks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Who:
    """`least` is the smallest role let in. `is_own`: only the person whom the thing belongs to.

    `exists`: the thing named in the path is there in the test's world, so that 404 would be a fault.
    `hides`: a refusal may also say 404, where a thing's existence is not for everyone.
    """

    least: str = "annotator"
    is_own: bool = False
    exists: bool = True
    hides: bool = False


PUBLIC = Who("nobody")

TABLE: dict[tuple[str, str], Who] = {
    ("GET", "/api/v1/openapi.json"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
}
