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
OWN = Who(is_own=True)

TABLE: dict[tuple[str, str], Who] = {
    ("GET", "/api/v1/openapi.json"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/projects/{project_id}/judge"): Who(),
    ("GET", "/projects/{project_id}/judge/history"): Who(),
    ("GET", "/projects/{project_id}/judge/last"): Who(),
    ("GET", "/projects/{project_id}/judge/edit/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/edit/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/skip"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/heartbeat"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/return"): OWN,
    ("POST", "/api/v1/projects/{project_id}/next"): Who(),
    ("GET", "/api/v1/projects/{project_id}/annotations/mine"): Who(),
    ("POST", "/api/v1/assignments/{public_id}/annotation"): OWN,
    ("PATCH", "/api/v1/assignments/{public_id}/annotation"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/skip"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/heartbeat"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/return"): OWN,
}
