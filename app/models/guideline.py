"""What people do with the guidelines: confirm that they read a version, ask about a clause, get an answer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.types import CreatedAt, Id


class GuidelineReading(Base):
    """Somebody confirmed that they have read a published version. Written once."""

    __tablename__ = "guideline_reading"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    guideline_version_id: Mapped[int] = mapped_column(ForeignKey("guideline_version.id"), primary_key=True)
    read_at: Mapped[CreatedAt]


class GuidelineQuestion(Base):
    """A question about a clause (its anchor, and its title as it stood), and the answer once there is one.

    `is_shared` shows question and answer to everybody in the project, never who asked; `is_example` also shows them
    at the clause. An empty anchor means the guidelines as a whole.
    """

    __tablename__ = "guideline_question"
    __table_args__ = (
        CheckConstraint("(answered_at IS NULL) = (answer = '')", name="answer_has_its_time"),
        CheckConstraint("answered_at IS NOT NULL OR NOT is_shared", name="shared_when_answered"),
        CheckConstraint("is_shared OR NOT is_example", name="example_is_shared"),
        Index("ix_guideline_question_project_id_id", "project_id", "id"),
        Index("ix_guideline_question_open", "project_id", "id", postgresql_where=text("answered_at IS NULL")),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    guideline_version_id: Mapped[int] = mapped_column(ForeignKey("guideline_version.id"))
    anchor: Mapped[str] = mapped_column(server_default="")
    clause: Mapped[str] = mapped_column(server_default="")
    text: Mapped[str]
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    asked_at: Mapped[CreatedAt]
    answer: Mapped[str] = mapped_column(server_default="")
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    answered_at: Mapped[datetime | None]
    is_shared: Mapped[bool] = mapped_column(server_default=false())
    is_example: Mapped[bool] = mapped_column(server_default=false())
