"""Projects, and the three things about them that are versioned: guidelines, answer schema and policy."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id, text_enum


class ProjectStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class Project(Base):
    """One question asked of people about pairs of responses."""

    __tablename__ = "project"

    id: Mapped[Id]
    name: Mapped[str]
    question: Mapped[str]
    status: Mapped[ProjectStatus] = mapped_column(text_enum(ProjectStatus), default=ProjectStatus.ACTIVE)
    timezone: Mapped[str] = mapped_column(default="UTC")
    language: Mapped[str] = mapped_column(default="en")
    is_sample: Mapped[bool] = mapped_column(default=False)
    content_warning: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    archived_at: Mapped[datetime | None]


class GuidelineVersion(Base):
    """Markdown guidelines. The one unpublished row of a project is its draft; a published row never changes.

    `is_major` asks everybody who judged under an earlier version to confirm that they have read what changed.
    """

    __tablename__ = "guideline_version"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        CheckConstraint("(published_at IS NULL) = (number IS NULL)", name="number_when_published"),
        Index("uq_guideline_version_draft", "project_id", unique=True, postgresql_where="published_at IS NULL"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int | None]
    body: Mapped[str]
    content_hash: Mapped[str]
    change_note: Mapped[str] = mapped_column(default="")
    is_major: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]
    published_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class SchemaVersion(Base):
    """What may be answered: choices, strength steps, rationale, skip reasons. Append-only, the newest holds."""

    __tablename__ = "schema_version"
    __table_args__ = (UniqueConstraint("project_id", "number"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    definition: Mapped[JSON]
    content_hash: Mapped[str]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class PolicyVersion(Base):
    """How work is handed out and counted: overlap, leases, gold rate. Append-only, the newest holds."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("project_id", "number"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    definition: Mapped[JSON]
    content_hash: Mapped[str]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
