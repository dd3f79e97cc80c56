"""Every SELECT of the People pages and of the inbox: lists a page at a time, and single messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import (
    Annotator,
    AnnotatorKind,
    ApiToken,
    LinkKind,
    Membership,
    Message,
    OneTimeLink,
    Project,
    Role,
    SignInSession,
    User,
)


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the People page, the one place where name and pseudonym stand together."""

    user: User
    pseudonym: str
    last_seen_at: datetime | None
    projects: list[tuple[int, str, Role]]


@dataclass(frozen=True, slots=True)
class Member:
    user: User
    pseudonym: str
    role: Role
    member_since: datetime
    last_seen_at: datetime | None
    membership: Membership

    @property
    def membership_id(self) -> int:
        return self.membership.id


def _last_seen() -> sa.ColumnElement[datetime]:
    """greatest() passes over NULL: a person may have used only a browser, or only a token."""
    by_browser = sa.select(sa.func.max(SignInSession.last_seen_at)).where(SignInSession.user_id == User.id)
    by_token = sa.select(sa.func.max(ApiToken.last_used_at)).where(ApiToken.user_id == User.id)
    return sa.func.greatest(by_browser.scalar_subquery(), by_token.scalar_subquery())


def _people() -> sa.Select[User, str, datetime]:
    return sa.select(User, Annotator.pseudonym, _last_seen()).join(Annotator, Annotator.user_id == User.id)


def people(
    session: Session, *, search: str = "", is_active: bool | None = None, before: int | None = None, limit: int
) -> list[Person]:
    """People, newest first, whose name, address or pseudonym holds `search`; two statements whatever the number."""
    statement = _people().order_by(User.id.desc()).limit(limit)
    if search:
        pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(
            sa.or_(User.name.ilike(pattern), User.email.ilike(pattern), Annotator.pseudonym.ilike(pattern))
        )
    if is_active is not None:
        statement = statement.where(User.is_active.is_(is_active))
    if before is not None:
        statement = statement.where(User.id < before)
    rows = session.execute(statement).all()
    projects = memberships_of(session, [row[0].id for row in rows])
    return [Person(user, pseudonym, seen, projects[user.id]) for user, pseudonym, seen in rows]


def person(session: Session, user_id: int) -> Person | None:
    row = session.execute(_people().where(User.id == user_id)).one_or_none()
    if row is None:
        return None
    user, pseudonym, seen = row
    return Person(user, pseudonym, seen, memberships_of(session, [user_id])[user_id])


def memberships_of(session: Session, user_ids: Sequence[int]) -> dict[int, list[tuple[int, str, Role]]]:
    """(project id, name, role) of each person's present memberships."""
    found: dict[int, list[tuple[int, str, Role]]] = defaultdict(list)
    rows = session.execute(
        sa.select(Membership.user_id, Project.id, Project.name, Membership.role)
        .join(Project, Project.id == Membership.project_id)
        .where(Membership.user_id.in_(user_ids), Membership.ended_at.is_(None))
        .order_by(Project.name, Project.id)
    )
    for user_id, project_id, name, role in rows:
        found[user_id].append((project_id, name, role))
    return found


def members(
    session: Session, project_id: int, *, user_id: int | None = None, after: int | None = None, limit: int
) -> list[Member]:
    """The project's present members in the order in which they came; with `user_id`, that one only."""
    statement = (
        sa.select(User, Annotator.pseudonym, Membership.role, Membership.created_at, _last_seen(), Membership)
        .join(Annotator, Annotator.user_id == User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.project_id == project_id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Membership.id > after)
    if user_id is not None:
        statement = statement.where(User.id == user_id)
    return [Member(*row) for row in session.execute(statement)]


def count_other_annotators(session: Session, project_id: int) -> dict[AnnotatorKind, int]:
    """How many imported, simulated and model annotators the project has; kinds without any are left out."""
    rows = session.execute(
        sa.select(Annotator.kind, sa.func.count())
        .where(Annotator.project_id == project_id)
        .group_by(Annotator.kind)
        .order_by(Annotator.kind)
    )
    return {kind: count for kind, count in rows}  # noqa: C416 - a row is no tuple to mypy


def instance_admins(session: Session) -> Sequence[User]:
    """Active admins of the installation, for the command line."""
    return session.scalars(sa.select(User).where(User.is_instance_admin, User.is_active).order_by(User.id)).all()


def messages(
    session: Session, user_id: int, *, is_read: bool, before: int | None = None, limit: int
) -> Sequence[tuple[Message, str | None]]:
    """(message, its sender's name), read or unread ones, newest first."""
    statement = (
        sa.select(Message, User.name)
        .outerjoin(User, User.id == Message.sender_id)
        .where(Message.user_id == user_id, Message.read_at.is_not(None) if is_read else Message.read_at.is_(None))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(Message.id < before)
    return [(message, sender) for message, sender in session.execute(statement)]


def message(session: Session, user_id: int, message_id: int) -> Sequence[Any] | None:
    """(message, its sender's name) of the person's own inbox."""
    return session.execute(
        sa.select(Message, User.name)
        .outerjoin(User, User.id == Message.sender_id)
        .where(Message.id == message_id, Message.user_id == user_id)
    ).one_or_none()


def mark_all_read(session: Session, user_id: int) -> int:
    statement = (
        sa.update(Message)
        .where(Message.user_id == user_id, Message.read_at.is_(None))
        .values(read_at=sa.func.now())
        .returning(Message.id)
    )
    return len(session.execute(statement).all())


def open_invitations(session: Session, project_id: int) -> Sequence[Any]:
    """(link, name of who made it), newest first."""
    return session.execute(
        sa.select(OneTimeLink, User.name)
        .join(User, User.id == OneTimeLink.created_by_id)
        .where(
            OneTimeLink.kind == LinkKind.INVITATION,
            OneTimeLink.project_id == project_id,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.revoked_at.is_(None),
            OneTimeLink.expires_at > sa.func.now(),
        )
        .order_by(OneTimeLink.id.desc())
        .limit(200)
    ).all()
