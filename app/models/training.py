"""Training runs: what was asked for, what they measured, their checkpoints, and who holds which device."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id


class TrainingRun(Base):
    """One model asked for. Its job row says how far it is; `result` and `files` are written once, when it ended well.

    `options` are the algorithm's own, by the names of its Config; `files` maps a file's name to {"stored", "sha256",
    "bytes"}.
    """

    __tablename__ = "training_run"
    __table_args__ = (UniqueConstraint("project_id", "number"), Index("ix_training_run_dataset", "dataset_version_id"))

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    name: Mapped[str]
    algorithm: Mapped[str]
    dataset_version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"))
    options: Mapped[JSON]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), unique=True)
    result: Mapped[JSON | None]
    files: Mapped[JSON | None]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    finished_at: Mapped[datetime | None]


class TrainingMetric(Base):
    """What a step or an evaluation measured. A later attempt begins again at its checkpoint: the highest attempt holds.

    `kind` is step or evaluation.
    """

    __tablename__ = "training_metric"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    values: Mapped[JSON]
    at: Mapped[CreatedAt]


class TrainingLog(Base):
    """What a run said in words, a line a row: phases, notices, the last of its error output."""

    __tablename__ = "training_log"
    __table_args__ = (Index("ix_training_log_job_id_id", "job_id", "id"),)

    id: Mapped[Id]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    attempt: Mapped[int] = mapped_column(SmallInteger)
    level: Mapped[str]
    message: Mapped[str]
    at: Mapped[CreatedAt]


class Checkpoint(Base):
    """A verified checkpoint in the artifact storage; `stored` is its folder and carries the attempt.

    `refused` says why it can no longer be used (damaged); `removed_at` when retention let it go.
    """

    __tablename__ = "checkpoint"
    __table_args__ = (UniqueConstraint("run_id", "attempt", "step"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("training_run.id"))
    attempt: Mapped[int] = mapped_column(SmallInteger)
    step: Mapped[int]
    stored: Mapped[str]
    manifest_sha256: Mapped[str]
    bytes: Mapped[int]
    created_at: Mapped[CreatedAt]
    refused: Mapped[str | None]
    removed_at: Mapped[datetime | None]


class DeviceSlot(Base):
    """Which attempt holds a device of a machine. It is free as soon as that attempt is no longer the running one."""

    __tablename__ = "device_slot"

    host: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    attempt: Mapped[int] = mapped_column(SmallInteger)
    taken_at: Mapped[CreatedAt]
