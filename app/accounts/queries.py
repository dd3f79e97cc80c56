"""Every SELECT of the accounts slice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import (
    Annotator,
    ApiToken,
    Consent,
    ConsentVersion,
    Membership,
    Message,
    Role,
    SignInSession,
    User,
)


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
    return session.execute(
        sa.select(SignInSession, User, Annotator.id, Annotator.pseudonym, _has_consented(), _unread())
        .join(User, User.id == SignInSession.user_id)
        .join(Annotator, Annotator.user_id == User.id)
        .where(
            SignInSession.token_hash == token_hash,
            SignInSession.ended_at.is_(None),
            SignInSession.expires_at > sa.func.now(),
            User.is_active,
        )
    ).one_or_none()


def viewer_by_api_token(session: Session, token_hash: bytes) -> Sequence[Any] | None:
    """(token, user, annotator id, pseudonym, has consented, unread messages) in one statement."""
    return session.execute(
        sa.select(ApiToken, User, Annotator.id, Annotator.pseudonym, _has_consented(), _unread())
        .join(User, User.id == ApiToken.user_id)
        .join(Annotator, Annotator.user_id == User.id)
        .where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None), User.is_active)
    ).one_or_none()


def touch_session(session: Session, sign_in_id: int, now: datetime) -> None:
    session.execute(sa.update(SignInSession).where(SignInSession.id == sign_in_id).values(last_seen_at=now))


def touch_api_token(session: Session, token_id: int, now: datetime) -> None:
    session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))


def membership_role(session: Session, user_id: int, project_id: int) -> Role | None:
    return session.scalar(
        sa.select(Membership.role).where(
            Membership.user_id == user_id, Membership.project_id == project_id, Membership.ended_at.is_(None)
        )
    )
