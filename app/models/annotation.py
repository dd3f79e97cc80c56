"""Judgements: the lease under which one was asked for, the append-only answer, and the preference derived from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id, text_enum


class AssignmentState(StrEnum):
    """open: on somebody's desk; the rest are ends. An expired one may still be answered late."""

    OPEN = "open"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    RETURNED = "returned"


class OverlapReason(StrEnum):
    """Why a vote was asked for. Agreement is computed on base, imported and calibration votes only."""

    BASE = "base"
    CALIBRATION = "calibration"
    ESCALATION = "escalation"
    ADJUDICATION = "adjudication"
    RETEST = "retest"
    GOLD = "gold"
    IMPORTED = "imported"


class Choice(StrEnum):
    """The answer by stored position, never by side of the screen."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Standing(StrEnum):
    """Whether a judgement counts toward the task's overlap, and if not, why not."""

    COUNTED = "counted"
    LATE = "late"
    GOLD = "gold"
    RETEST = "retest"


class Assignment(Base):
    """A task leased to one annotator. `public_id` is all that an annotator's page shows of it.

    `is_swapped` says that the first response stood on the right. One row per task and annotator: a lease that expired
    is opened again for the same person, so that a form they kept still fits. While `state` is open the lease is counted
    in task.n_leased; whoever ends it takes it out of there in the same transaction. A hidden repeat (`retest`) takes no
    place and is counted nowhere. `slot` 0 is the desk; the others hold what was fetched ahead, as far as the project's
    policy allows.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        Index(
            "uq_assignment_one_open",
            "project_id",
            "annotator_id",
            "slot",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "uq_assignment_once",
            "task_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("overlap_reason <> 'retest'"),
        ),
        Index(
            "uq_assignment_retest",
            "task_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("overlap_reason = 'retest'"),
        ),
        Index("ix_assignment_expiry", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_assignment_annotator_id_project_id_id", "annotator_id", "project_id", "id"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_when_ended"),
        CheckConstraint("slot BETWEEN 0 AND 4", name="few_slots"),
    )

    id: Mapped[Id]
    public_id: Mapped[UUID] = mapped_column(unique=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotator.id"))
    state: Mapped[AssignmentState] = mapped_column(text_enum(AssignmentState), default=AssignmentState.OPEN)
    overlap_reason: Mapped[OverlapReason] = mapped_column(text_enum(OverlapReason))
    is_swapped: Mapped[bool]
    guideline_version_id: Mapped[int | None] = mapped_column(ForeignKey("guideline_version.id"))
    schema_version_id: Mapped[int] = mapped_column(ForeignKey("schema_version.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"))
    leased_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    slot: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    closed_at: Mapped[datetime | None]
    skip_reason: Mapped[str | None]
    skip_note: Mapped[str | None]


class Annotation(Base):
    """One submitted judgement, never changed: an edit is a new row that names what it supersedes.

    `choice` and `strength` are the pairwise overall choice: 1..S for a side, 0 for a tie or both bad; NULL and 0 where
    the schema asks for none. `answer` is all else that was said, by response ids (app.annotation.answers.StoredAnswer).
    Of two responses `is_swapped` says how they stood; of three and more `shown_order` has their task positions as they
    were shown. `judgement_hash` is over the canonical judgement, so that an honest retry with a fresh CSRF token is
    recognised. Times are milliseconds measured by the page; NULL when unknown (imported votes).
    """

    __tablename__ = "annotation"
    __table_args__ = (
        UniqueConstraint("annotator_id", "idempotency_key"),
        UniqueConstraint("supersedes_id"),
        Index("uq_annotation_first", "assignment_id", unique=True, postgresql_where=text("supersedes_id IS NULL")),
        Index("ix_annotation_task_id", "task_id"),
        Index("ix_annotation_project_id_id", "project_id", "id"),
        Index("ix_annotation_late", "project_id", "task_id", postgresql_where=text("standing = 'late'")),
        Index("ix_annotation_flagged", "project_id", "task_id", postgresql_where=text("is_flagged")),
        Index("ix_annotation_annotator_id_project_id_id", "annotator_id", "project_id", "id"),
        Index(
            "ix_annotation_own",
            "annotator_id",
            "project_id",
            "submitted_at",
            postgresql_where=text("supersedes_id IS NULL"),
        ),
        CheckConstraint("coalesce(choice IN ('first', 'second'), false) = (strength > 0)", name="strength_of_a_side"),
        CheckConstraint("strength BETWEEN 0 AND 4", name="strength_in_scale"),
        CheckConstraint("(supersedes_id IS NULL) = (revision = 1)", name="revision_counts_up"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignment.id"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotator.id"))
    choice: Mapped[Choice | None] = mapped_column(text_enum(Choice))
    strength: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[JSON] = mapped_column(server_default=text("'{}'"))
    rationale: Mapped[str] = mapped_column(default="")
    is_flagged: Mapped[bool] = mapped_column(default=False)
    standing: Mapped[Standing] = mapped_column(text_enum(Standing))
    overlap_reason: Mapped[OverlapReason] = mapped_column(text_enum(OverlapReason))
    is_swapped: Mapped[bool | None]
    shown_order: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))
    guideline_version_id: Mapped[int | None] = mapped_column(ForeignKey("guideline_version.id"))
    schema_version_id: Mapped[int] = mapped_column(ForeignKey("schema_version.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"))
    started_at: Mapped[datetime | None]
    submitted_at: Mapped[CreatedAt]
    active_ms: Mapped[int | None]
    idle_ms: Mapped[int | None]
    revision: Mapped[int] = mapped_column(SmallInteger, default=1)
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("annotation.id"))
    idempotency_key: Mapped[str | None]
    judgement_hash: Mapped[str | None]


class Preference(Base):
    """Chosen over rejected, derived from an annotation in its transaction.

    `signed_strength` is in -S..S and speaks for the response with the lower id, S being `strength_steps`; 0 is a tie or
    both bad, told apart by `is_both_bad`. The pairs that one annotation says about three or more responses share a
    `group_id`. `criterion` is `overall`, a criterion's key, or `edit` for what somebody wrote over its source.
    """

    __tablename__ = "preference"
    __table_args__ = (
        CheckConstraint("low_response_id < high_response_id", name="canonical_order"),
        CheckConstraint("abs(signed_strength) <= strength_steps", name="strength_in_scale"),
        Index("ix_preference_annotation_id", "annotation_id"),
        Index("ix_preference_low_response_id_high_response_id", "low_response_id", "high_response_id"),
    )

    id: Mapped[Id]
    annotation_id: Mapped[int] = mapped_column(ForeignKey("annotation.id"))
    low_response_id: Mapped[int] = mapped_column(ForeignKey("response.id"))
    high_response_id: Mapped[int] = mapped_column(ForeignKey("response.id"))
    signed_strength: Mapped[int] = mapped_column(SmallInteger)
    strength_steps: Mapped[int] = mapped_column(SmallInteger)
    is_both_bad: Mapped[bool] = mapped_column(default=False)
    criterion: Mapped[str] = mapped_column(default="overall")
    group_id: Mapped[UUID | None]
