"""record(session, event): one append-only row for each deed, in the transaction of the deed."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.models import AuditEvent


def record(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    project_id: int | None = None,
    target: object | None = None,
    **detail: Any,
) -> None:
    """Write who did what. `action` reads `thing.verb`; `target` is a model row; `detail` must hold no secret.

    `via` (web, api, command, worker) and the request id come from the logging context that each entry point binds.
    """
    context = structlog.contextvars.get_contextvars()
    session.add(
        AuditEvent(
            actor_id=actor_id,
            via=str(context.get("via", "command")),
            action=action,
            project_id=project_id,
            target_type=getattr(target, "__tablename__", ""),
            target_id=str(getattr(target, "id", "") or ""),
            detail=detail,
            request_id=str(context.get("request_id", "")),
        )
    )
