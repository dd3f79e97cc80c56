"""Which role includes which."""

from __future__ import annotations

from app.models import Role

ROLE_RANK = {Role.ANNOTATOR: 1, Role.REVIEWER: 2, Role.ADMIN: 3}


def has_role(role: Role, at_least: Role) -> bool:
    return ROLE_RANK[role] >= ROLE_RANK[at_least]
