"""Every SELECT of the accounts slice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.config import settings
from app.models import (
    Annotator,
    AnnotatorKind,
    ApiToken,
    Assignment,
    AssignmentState,
    Consent,
    ConsentVersion,
    LinkKind,
    Membership,
    Message,
    OneTimeLink,
    Project,
    Role,
    SignInSession,
    User,
)

SETUP_LOCK = 0x6163636F7264
CONSENT_LOCK = SETUP_LOCK + 1


def _newest_consent_version() -> sa.ScalarSelect[int]:
    return sa.select(sa.func.max(ConsentVersion.id)).scalar_subquery()


def _has_consented() -> sa.ColumnElement[bool]:
    """True also where no consent text exists: there is nothing to agree to."""
    newest = _newest_consent_version()
    agreed = sa.exists().where(Consent.user_id == User.id, Consent.consent_version_id == newest)
    return sa.or_(newest.is_(None), agreed)


def _unread() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(Message)
        .where(Message.user_id == User.id, Message.read_at.is_(None))
        .scalar_subquery()
    )


def viewer_by_session(session: Session, token_hash: bytes) -> Sequence[Any] | None:
    """(sign-in, user, annotator id, pseudonym, has consented, unread messages) in one statement."""
    return session.execute(_viewer_by_session(), {"hashed": token_hash}).one_or_none()


@lru_cache
def _viewer_by_session() -> sa.Select[SignInSession, User, int, str, bool, int]:
    """Built once: every request of a browser asks it."""
    return (
        sa.select(SignInSession, User, Annotator.id, Annotator.pseudonym, _has_consented(), _unread())
        .join(User, User.id == SignInSession.user_id)
        .join(Annotator, Annotator.user_id == User.id)
        .where(
            SignInSession.token_hash == sa.bindparam("hashed"),
            SignInSession.ended_at.is_(None),
            SignInSession.expires_at > sa.func.now(),
            User.is_active,
        )
    )


def viewer_by_api_token(session: Session, token_hash: bytes) -> Sequence[Any] | None:
    """(token, user, annotator id, pseudonym, has consented, unread messages) in one statement."""
    return session.execute(
        sa.select(ApiToken, User, Annotator.id, Annotator.pseudonym, _has_consented(), _unread())
        .join(User, User.id == ApiToken.user_id)
        .join(Annotator, Annotator.user_id == User.id)
        .where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None), User.is_active)
    ).one_or_none()


def touch_session(session: Session, sign_in_id: int, now: datetime) -> None:
    """Somebody is there: the sign-in ends so many days after its last use, not after its beginning."""
    session.execute(
        sa.update(SignInSession)
        .where(SignInSession.id == sign_in_id)
        .values(last_seen_at=now, expires_at=now + timedelta(days=settings().session_days))
    )


def touch_api_token(session: Session, token_id: int, now: datetime) -> None:
    session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))


def membership_role(session: Session, user_id: int, project_id: int) -> Role | None:
    return session.scalar(
        sa.select(Membership.role).where(
            Membership.user_id == user_id, Membership.project_id == project_id, Membership.ended_at.is_(None)
        )
    )


def take_lock(session: Session, number: int) -> None:
    """One transaction at a time past this line; the lock goes with the transaction."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def has_instance_admin(session: Session) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(User.is_instance_admin, User.is_active))))


def link_by_token(session: Session, kind: LinkKind, token_hash: bytes, *, lock: bool = False) -> OneTimeLink | None:
    """The link of that kind, whatever its state; locked where it is about to be used."""
    statement = sa.select(OneTimeLink).where(OneTimeLink.kind == kind, OneTimeLink.token_hash == token_hash)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def revoke_links(session: Session, kind: LinkKind | None = None, **matching: Any) -> int:
    """Withdraw the open links of that kind whose columns have these values; returns how many there were."""
    statement = sa.update(OneTimeLink).where(OneTimeLink.used_at.is_(None), OneTimeLink.revoked_at.is_(None))
    if kind is not None:
        statement = statement.where(OneTimeLink.kind == kind)
    statement = statement.filter_by(**matching).values(revoked_at=sa.func.now()).returning(OneTimeLink.id)
    return len(session.execute(statement).all())


def user_by_email(session: Session, email: str, *, lock: bool = False) -> User | None:
    statement = sa.select(User).where(sa.func.lower(User.email) == email.lower())
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalar(statement)


def insert_user(session: Session, **values: Any) -> User | None:
    """A new user, or None when the e-mail address is taken (also by a transaction that ran beside this one)."""
    return session.scalar(
        insert(User).values(**values).on_conflict_do_nothing(index_elements=[sa.text("lower(email)")]).returning(User)
    )


def insert_annotator(session: Session, *, user_id: int, pseudonym: str) -> int | None:
    """The id of the person's annotator, or None when the pseudonym is taken."""
    return session.scalar(
        insert(Annotator)
        .values(kind=AnnotatorKind.PERSON, user_id=user_id, pseudonym=pseudonym)
        .on_conflict_do_nothing(index_elements=["pseudonym"])
        .returning(Annotator.id)
    )


def lock_user(session: Session, user_id: int) -> User | None:
    """The person, until this transaction ends; others may still write rows that name the person."""
    return session.scalar(
        sa.select(User)
        .where(User.id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def lock_instance_admins(session: Session) -> list[int]:
    """Ids of the active instance admins, locked until this transaction ends, in an order that cannot deadlock."""
    return list(
        session.scalars(
            sa.select(User.id)
            .where(User.is_instance_admin, User.is_active)
            .order_by(User.id)
            .with_for_update(key_share=True)
        )
    )


def lock_project_admins(session: Session, project_id: int) -> list[int]:
    """User ids of the project's active admins, their memberships locked until this transaction ends."""
    return list(
        session.scalars(
            sa.select(Membership.user_id)
            .join(User, User.id == Membership.user_id)
            .where(
                Membership.project_id == project_id,
                Membership.role == Role.ADMIN,
                Membership.ended_at.is_(None),
                User.is_active,
            )
            .order_by(Membership.id)
            .with_for_update(of=Membership, key_share=True)
        )
    )


def lock_membership(session: Session, user_id: int, project_id: int) -> Membership | None:
    """The person's row in the project, ended or not, locked until this transaction ends."""
    return session.scalar(
        sa.select(Membership)
        .where(Membership.user_id == user_id, Membership.project_id == project_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def insert_membership(session: Session, *, user_id: int, project_id: int, role: Role) -> bool:
    """Whether a row was written; False when the person has one already."""
    return (
        session.scalar(
            insert(Membership)
            .values(user_id=user_id, project_id=project_id, role=role)
            .on_conflict_do_nothing(index_elements=["project_id", "user_id"])
            .returning(Membership.id)
        )
        is not None
    )


def end_sessions(session: Session, user_id: int, *, but: int | None = None) -> int:
    """End the person's sign-ins, all or all but one; returns how many were open."""
    statement = sa.update(SignInSession).where(SignInSession.user_id == user_id, SignInSession.ended_at.is_(None))
    if but is not None:
        statement = statement.where(SignInSession.id != but)
    return len(session.execute(statement.values(ended_at=sa.func.now()).returning(SignInSession.id)).all())


def end_session_by_token(session: Session, token_hash: bytes) -> int | None:
    """End one sign-in; returns its user's id, None when there is no open one."""
    return session.scalar(
        sa.update(SignInSession)
        .where(SignInSession.token_hash == token_hash, SignInSession.ended_at.is_(None))
        .values(ended_at=sa.func.now())
        .returning(SignInSession.user_id)
    )


def end_session(session: Session, user_id: int, sign_in_id: int) -> bool:
    """End one of the person's own sign-ins; False when there is no such open one."""
    statement = (
        sa.update(SignInSession)
        .where(SignInSession.id == sign_in_id, SignInSession.user_id == user_id, SignInSession.ended_at.is_(None))
        .values(ended_at=sa.func.now())
        .returning(SignInSession.id)
    )
    return session.scalar(statement) is not None


def open_sessions(session: Session, user_id: int) -> Sequence[SignInSession]:
    return session.scalars(
        sa.select(SignInSession)
        .where(
            SignInSession.user_id == user_id,
            SignInSession.ended_at.is_(None),
            SignInSession.expires_at > sa.func.now(),
        )
        .order_by(SignInSession.last_seen_at.desc())
        .limit(200)
    ).all()


def open_tokens(session: Session, user_id: int) -> Sequence[ApiToken]:
    return session.scalars(
        sa.select(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.id.desc())
    ).all()


def revoke_tokens(session: Session, user_id: int, *, token_id: int | None = None) -> int:
    """Revoke the person's API tokens, all or one; returns how many were open."""
    statement = sa.update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    if token_id is not None:
        statement = statement.where(ApiToken.id == token_id)
    return len(session.execute(statement.values(revoked_at=sa.func.now()).returning(ApiToken.id)).all())


def expire_leases(session: Session, user_id: int, *, project_id: int | None = None) -> int:
    """Let the person's open leases run out now, so that the sweep hands the tasks on; returns how many there were."""
    annotator = sa.select(Annotator.id).where(Annotator.user_id == user_id).scalar_subquery()
    statement = sa.update(Assignment).where(
        Assignment.annotator_id == annotator, Assignment.state == AssignmentState.OPEN
    )
    if project_id is not None:
        statement = statement.where(Assignment.project_id == project_id)
    return len(session.execute(statement.values(expires_at=sa.func.now()).returning(Assignment.id)).all())


def newest_consent(session: Session) -> ConsentVersion | None:
    return session.scalar(sa.select(ConsentVersion).order_by(ConsentVersion.id.desc()).limit(1))


def consent_versions(session: Session) -> Sequence[Any]:
    """(version, how many people accepted it), newest first."""
    return session.execute(
        sa.select(ConsentVersion, sa.func.count(Consent.id))
        .outerjoin(Consent, Consent.consent_version_id == ConsentVersion.id)
        .group_by(ConsentVersion.id)
        .order_by(ConsentVersion.id.desc())
    ).all()


def insert_consent(session: Session, *, user_id: int, version_id: int) -> bool:
    """Whether this is the first time that the person accepts that version."""
    return (
        session.scalar(
            insert(Consent)
            .values(user_id=user_id, consent_version_id=version_id)
            .on_conflict_do_nothing(index_elements=["user_id", "consent_version_id"])
            .returning(Consent.id)
        )
        is not None
    )


def project_name(session: Session, project_id: int) -> str:
    return session.execute(sa.select(Project.name).where(Project.id == project_id)).scalar_one()


def lock_invitation(session: Session, project_id: int, link_id: int) -> OneTimeLink | None:
    return session.scalar(
        sa.select(OneTimeLink)
        .where(
            OneTimeLink.id == link_id,
            OneTimeLink.kind == LinkKind.INVITATION,
            OneTimeLink.project_id == project_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def now(session: Session) -> datetime:
    """The database's clock, which every web process shares."""
    return session.execute(sa.select(sa.func.now())).scalar_one()


def user_name(session: Session, user_id: int) -> str:
    """The name on an invitation; empty when the command line made it."""
    return session.scalar(sa.select(User.name).where(User.id == user_id)) or ""


def lock_open_link(session: Session, link_id: int) -> OneTimeLink | None:
    return session.scalar(
        sa.select(OneTimeLink)
        .where(
            OneTimeLink.id == link_id,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.revoked_at.is_(None),
            OneTimeLink.expires_at > sa.func.now(),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def revoke_reset_links(session: Session, user_id: int) -> int:
    return revoke_links(session, LinkKind.PASSWORD_RESET, user_id=user_id)


def revoke_invitations_without_role(session: Session, user_id: int) -> None:
    """Withdraw the person's open invitations to projects where they are no admin in their own right."""
    is_admin_there = sa.exists().where(
        Membership.project_id == OneTimeLink.project_id,
        Membership.user_id == user_id,
        Membership.role == Role.ADMIN,
        Membership.ended_at.is_(None),
    )
    session.execute(
        sa.update(OneTimeLink)
        .where(
            OneTimeLink.kind == LinkKind.INVITATION,
            OneTimeLink.created_by_id == user_id,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.revoked_at.is_(None),
            ~is_admin_there,
        )
        .values(revoked_at=sa.func.now())
    )
