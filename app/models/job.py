"""The one job table: every long piece of work is a row here, the truth that messages only point at."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id, text_enum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Base):
    """`attempt` fences every later write: a worker that lost its lease finds another number there.

    `failures` counts attempts that ended without a new verified checkpoint; three of them end the job.
    `checkpoint_attempt` is the last attempt that made one.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("uq_job_unique_key", "unique_key", unique=True, postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_job_waiting", "queue", "available_at", postgresql_where=text("state = 'queued'")),
        Index("ix_job_leases", "lease_expires_at", postgresql_where=text("state = 'running'")),
        Index("ix_job_project_id_id", "project_id", "id"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    queue: Mapped[str]
    payload: Mapped[JSON]
    unique_key: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    state: Mapped[JobState] = mapped_column(text_enum(JobState), default=JobState.QUEUED)
    attempt: Mapped[int] = mapped_column(SmallInteger, default=0)
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    checkpoint_attempt: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    phase: Mapped[str] = mapped_column(default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(default="")
    result: Mapped[JSON | None]
    error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
