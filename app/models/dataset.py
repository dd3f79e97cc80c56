"""Frozen data sets: what they were made of, by which policy, and the files that training reads."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id


class DatasetVersion(Base):
    """A pure function of the votes it names (dataset_vote) and of its policy; never changed once it is frozen.

    `content_hash` is the sha256 over its canonical rows, `files` maps a file's name to {"stored", "sha256", "bytes",
    "rows"}: `stored` is the object's name in the artifact storage. All three are NULL until the job has ended.
    """

    __tablename__ = "dataset_version"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        CheckConstraint("(frozen_at IS NULL) = (content_hash IS NULL)", name="hash_when_frozen"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    policy: Mapped[JSON]
    policy_hash: Mapped[str]
    content_hash: Mapped[str | None]
    manifest: Mapped[JSON | None]
    files: Mapped[JSON | None]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    frozen_at: Mapped[datetime | None]


class DatasetVote(Base):
    """Which votes a version was made of, named before it is built; from a vote one walks to its versions and back."""

    __tablename__ = "dataset_vote"
    __table_args__ = (Index("ix_dataset_vote_annotation_id", "annotation_id"),)

    dataset_version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(ForeignKey("annotation.id"), primary_key=True)
