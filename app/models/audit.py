"""The audit trail: one append-only row for each deed."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id


class AuditEvent(Base):
    """Who did what to which thing. `actor_id` NULL is the system or the command line, as `via` says."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_project_id_id", "project_id", "id"),
        Index("ix_audit_event_actor_id_id", "actor_id", "id"),
        Index("ix_audit_event_action_id", "action", "id"),
        Index("ix_audit_event_target_type_target_id_id", "target_type", "target_id", "id"),
    )

    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    via: Mapped[str]
    action: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    target_type: Mapped[str] = mapped_column(default="")
    target_id: Mapped[str] = mapped_column(default="")
    detail: Mapped[JSON]
    request_id: Mapped[str] = mapped_column(default="")
