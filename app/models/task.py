"""Prompts with their responses, and the tasks made of them.

A task asks about the responses that it names: a pair, three to nine to be ranked or rated, or none (a bare prompt).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id, text_enum

IS_WAITING = "status = 'open' AND kind = 'regular' AND n_counted + n_leased < n_target"
PROGRESS = "n_counted * 1000 / greatest(n_target, 1)"
"""Counted judgements in thousandths of those asked for; whole numbers, so that a list can be continued exactly."""
SEARCH_BLOCK = 1024
SCOPED_SEARCH = (
    "search || array_to_tsvector(ARRAY[(chr(1) || 'project:') || project_id::text, "
    f"(chr(1) || 'block:') || ((id / {SEARCH_BLOCK})::text)])"
)
"""The words of a prompt, its project, and the block of ids it lies in, as one value that an index can find.

With the project in it, a word is looked up among one project's prompts only; with the block, matches can be read in
the order of their ids a block at a time. chr(1) keeps both apart from anything that can be typed.
"""


class TaskStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    ARCHIVED = "archived"


class TaskKind(StrEnum):
    """Gold tasks have a known answer and are outside overlap; everything an annotator sees of them is the same."""

    REGULAR = "regular"
    GOLD = "gold"


class ImportBatch(Base):
    """One import of one file; the same file again finds its batch and adds nothing."""

    __tablename__ = "import_batch"
    __table_args__ = (Index("ix_import_batch_project_id", "project_id"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    filename: Mapped[str]
    file_hash: Mapped[str]
    counts: Mapped[JSON]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Prompt(Base):
    """What the responses answer: `content` is {"text": ...} or {"messages": [{"role", "content"}, ...]}.

    `content_hash` covers prompt and responses, so that a repeated import recognises the row; `search_text` is the
    readable text that the task list searches. `author_id` is the annotator who wrote it, who is never asked about it.
    """

    __tablename__ = "prompt"
    __table_args__ = (
        UniqueConstraint("project_id", "content_hash"),
        Index("uq_prompt_project_id_external_id", "project_id", "external_id", unique=True),
        Index("ix_prompt_scoped_search", sa.text(f"({SCOPED_SEARCH})"), postgresql_using="gin"),
        Index("ix_prompt_batch_id_id", "batch_id", "id"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    external_id: Mapped[str | None]
    content: Mapped[JSON]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    search_text: Mapped[str] = mapped_column(Text)
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("to_tsvector('simple', left(search_text, 50000))", persisted=True), deferred=True
    )
    author_id: Mapped[int | None] = mapped_column(ForeignKey("annotator.id"))
    meta: Mapped[JSON] = mapped_column(server_default=sa.text("'{}'"))
    created_at: Mapped[CreatedAt]


class Response(Base):
    """One answer to a prompt; `position` is its place in the imported row, `model` never reaches an annotator.

    `author_id` is the annotator who wrote it, who is never asked to judge it. What was written in a judgement here has
    no position: `annotation_id` is the judgement that it is a part of, and `edited_from_id` the response that it
    improves on (NULL: an answer to a bare prompt).
    """

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("prompt_id", "position"),
        CheckConstraint("(position IS NULL) = (annotation_id IS NOT NULL)", name="imported_or_written"),
        Index("ix_response_annotation_id", "annotation_id", postgresql_where=sa.text("annotation_id IS NOT NULL")),
    )

    id: Mapped[Id]
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"))
    position: Mapped[int | None] = mapped_column(SmallInteger)
    text: Mapped[str]
    model: Mapped[str | None]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("annotator.id"))
    annotation_id: Mapped[int | None] = mapped_column(ForeignKey("annotation.id", use_alter=True))
    edited_from_id: Mapped[int | None] = mapped_column(ForeignKey("response.id"))
    meta: Mapped[JSON] = mapped_column(server_default=sa.text("'{}'"))


class Task(Base):
    """A prompt with responses to compare, and how many judgements it has, waits for, and asks for.

    The counters change in the transaction of the deed that moves them. `queue_key` is a random place in the queue,
    drawn at import, so that order tells nothing about origin. `own_overlap` is how many judgements its import asked for
    (the votes that it brought and the further ones), 0 where the policy alone says: what `n_target` asks for beyond the
    larger of it and the policy's overlap was asked for after somebody had judged. Tags `skill:…` and `group:…` say
    what a person must have to be given it.
    """

    __tablename__ = "task"
    __table_args__ = (
        CheckConstraint("n_counted >= 0 AND n_leased >= 0", name="counts_not_negative"),
        CheckConstraint("kind = 'gold' OR n_counted <= n_target", name="never_over_overlap"),
        Index(
            "ix_task_queue",
            "project_id",
            sa.text("priority DESC"),
            "due_at",
            sa.text("(n_counted + n_leased > 0) DESC"),
            "queue_key",
            postgresql_where=sa.text(IS_WAITING),
        ),
        Index("ix_task_gold", "project_id", "queue_key", postgresql_where=sa.text("kind = 'gold' AND status = 'open'")),
        Index("ix_task_project_id_id", "project_id", "id"),
        Index("ix_task_project_id_status_id", "project_id", "status", "id"),
        Index("ix_task_project_id_prompt_id_id", "project_id", "prompt_id", "id"),
        Index("ix_task_project_id_priority_id", "project_id", "priority", "id"),
        Index("ix_task_project_id_progress_id", "project_id", sa.text(f"({PROGRESS})"), "id"),
        Index("ix_task_project_id_domain", "project_id", "domain", postgresql_where=sa.text("domain IS NOT NULL")),
        Index(
            "ix_task_project_id_language", "project_id", "language", postgresql_where=sa.text("language IS NOT NULL")
        ),
        Index("ix_task_prompt_id", "prompt_id"),
        Index("ix_task_tags", "tags", postgresql_using="gin"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"))
    kind: Mapped[TaskKind] = mapped_column(text_enum(TaskKind), default=TaskKind.REGULAR)
    status: Mapped[TaskStatus] = mapped_column(text_enum(TaskStatus), default=TaskStatus.OPEN)
    priority: Mapped[int] = mapped_column(SmallInteger, default=0)
    n_target: Mapped[int] = mapped_column(SmallInteger)
    own_overlap: Mapped[int] = mapped_column(SmallInteger, server_default=sa.text("0"))
    n_counted: Mapped[int] = mapped_column(SmallInteger, default=0)
    n_leased: Mapped[int] = mapped_column(SmallInteger, default=0)
    queue_key: Mapped[int]
    domain: Mapped[str | None]
    language: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=sa.text("'{}'"))
    created_at: Mapped[CreatedAt]
    done_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]


class TaskResponse(Base):
    """Which responses a task compares; `position` 0 is the first response of every stored judgement."""

    __tablename__ = "task_response"
    __table_args__ = (Index("ix_task_response_response_id", "response_id"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    response_id: Mapped[int] = mapped_column(ForeignKey("response.id"))


class GoldAnswer(Base):
    """The known answer of a gold task: `choice` is first, second, tie or both_bad by task position."""

    __tablename__ = "gold_answer"

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    choice: Mapped[str]
    explanation: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
