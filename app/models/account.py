"""People: who signs in (user), who judges (annotator), what they may do where (membership), and what they agreed to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, func, text, true
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from app.database import JSON, Base
from app.models.types import CreatedAt, Id, text_enum


class Role(StrEnum):
    """What a person may do in one project; each role includes the ones after it."""

    ADMIN = "admin"
    REVIEWER = "reviewer"
    ANNOTATOR = "annotator"


class AnnotatorKind(StrEnum):
    PERSON = "person"
    IMPORTED = "imported"
    SIMULATED = "simulated"
    MODEL = "model"


class LinkKind(StrEnum):
    SETUP = "setup"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind of link


class User(Base):
    """A sign-in. The address is unique without regard to case; a user without a password has never accepted a link."""

    __tablename__ = "user"
    __table_args__ = (Index("uq_user_email_lower", func.lower(text("email")), unique=True),)

    id: Mapped[Id]
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    is_instance_admin: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str] = mapped_column(default="en")
    theme: Mapped[str] = mapped_column(default="auto")
    text_size: Mapped[str] = mapped_column(server_default="m")
    reading_width: Mapped[str] = mapped_column(server_default="m")
    motion: Mapped[str] = mapped_column(server_default="auto")
    covers_warned: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[CreatedAt]
    password_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deactivated_at: Mapped[datetime | None]


class SignInSession(Base):
    """One browser's sign-in; the cookie holds a random token, the table its SHA-256 only."""

    __tablename__ = "sign_in_session"
    __table_args__ = (Index("ix_sign_in_session_user_id", "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str] = mapped_column(default="")


class ApiToken(Base):
    """A token for programs: prefix shown in lists, SHA-256 stored, the secret shown once."""

    __tablename__ = "api_token"
    __table_args__ = (Index("ix_api_token_user_id", "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str]
    prefix: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class OneTimeLink(Base):
    """Set-up, invitation and password-reset links: usable once, until they expire or are withdrawn."""

    __tablename__ = "one_time_link"
    __table_args__ = (
        CheckConstraint("kind <> 'password_reset' OR user_id IS NOT NULL", name="reset_names_user"),
        CheckConstraint("(project_id IS NULL) = (role IS NULL)", name="role_is_per_project"),
        Index("ix_one_time_link_project_id", "project_id"),
    )

    id: Mapped[Id]
    kind: Mapped[LinkKind] = mapped_column(text_enum(LinkKind))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    role: Mapped[Role | None] = mapped_column(text_enum(Role))
    email: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    revoked_at: Mapped[datetime | None]


class Membership(Base):
    """A role in a project, and what work reaches the person there.

    A membership that ended stays as a row; coming back opens it again. No languages or domains means any; skills and
    groups are what a task's tags may ask for. `daily_quota`, `total_quota` and `gold_rate` take the place of the
    policy's where they are set; the last is how quality control asks for more or fewer known answers.
    """

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("project_id", "user_id"), Index("ix_membership_user_id", "user_id"))

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    role: Mapped[Role] = mapped_column(text_enum(Role))
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    domains: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    groups: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    daily_quota: Mapped[int | None]
    total_quota: Mapped[int | None]
    gold_rate: Mapped[float | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]


class Annotator(Base):
    """Who judges: a person, an imported crowd worker, a simulation or a model. Known by pseudonym only.

    A person has one annotator for all projects; the others belong to the project that made them.
    """

    __tablename__ = "annotator"
    __table_args__ = (
        UniqueConstraint("project_id", "kind", "external_id"),
        CheckConstraint("(kind = 'person') = (user_id IS NOT NULL)", name="person_has_user"),
        CheckConstraint("(kind = 'person') = (project_id IS NULL)", name="others_have_project"),
        CheckConstraint("(kind = 'person') = (external_id IS NULL)", name="others_have_external_id"),
    )

    id: Mapped[Id]
    kind: Mapped[AnnotatorKind] = mapped_column(text_enum(AnnotatorKind))
    pseudonym: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), unique=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    external_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class ConsentVersion(Base):
    """The text that people agree to; a new version asks everybody again. Append-only."""

    __tablename__ = "consent_version"

    id: Mapped[Id]
    number: Mapped[int] = mapped_column(unique=True)
    body: Mapped[str]
    content_hash: Mapped[str]
    created_at: Mapped[CreatedAt]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Consent(Base):
    """Who agreed to which version, when. Append-only."""

    __tablename__ = "consent"
    __table_args__ = (UniqueConstraint("user_id", "consent_version_id"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    consent_version_id: Mapped[int] = mapped_column(ForeignKey("consent_version.id"))
    accepted_at: Mapped[CreatedAt]


class Message(Base):
    """One message in a person's inbox; mail is a copy of it."""

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_user_id_id", "user_id", "id"),)

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[CreatedAt]
    read_at: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]


class Throttle(Base):
    """A counter per key and window; kept here so that every web process sees the same count."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]


class IdempotencyKey(Base):
    """An API request that was answered: the same key and body give the same answer, another body 409."""

    __tablename__ = "idempotency_key"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[JSON]
    created_at: Mapped[CreatedAt]
