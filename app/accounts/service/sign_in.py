"""Sign-ins: who is let in, and how their sessions begin, rotate and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.passwords import hash_password, is_password, needs_rehash
from app.accounts.tokens import hash_token, new_token
from app.config import settings
from app.models import SignInSession, User


def verify(session: Session, *, email: str, password: str) -> User | None:
    """The active person with this address and password. Exactly one hash is computed whatever the answer.

    The row is locked, so that a password that changes meanwhile lets nobody in.
    """
    user = queries.user_by_email(session, email, lock=True)
    fits = is_password(user.password_hash if user is not None else None, password)
    if user is None or not fits or not user.is_active:
        return None
    if needs_rehash(user.password_hash):
        user.password_hash = hash_password(password)
    return user


def start_session(
    session: Session, user_id: int, *, address: str | None, user_agent: str, replaces: str | None = None
) -> str:
    """A new sign-in; returns the token for the cookie. The one that the browser had before ends."""
    if replaces:
        queries.end_session_by_token(session, hash_token(replaces))
    token, token_hash = new_token()
    row = SignInSession(
        user_id=user_id,
        token_hash=token_hash,
        expires_at=datetime.now(UTC) + timedelta(days=settings().session_days),
        address=address,
        user_agent=user_agent[:300],
    )
    session.add(row)
    session.flush()
    audit.record(session, "session.start", actor_id=user_id, target=row)
    return token


def refuse(session: Session, *, email: str) -> None:
    """A failed sign-in leaves a trace with the account it was meant for, if there is one; never what was typed."""
    user = queries.user_by_email(session, email)
    audit.record(session, "session.refuse", actor_id=None, target=user)


def sign_out(session: Session, token: str) -> None:
    """End the sign-in of this cookie; nothing to do when it has ended."""
    user_id = queries.end_session_by_token(session, hash_token(token))
    if user_id is not None:
        audit.record(session, "session.end", actor_id=user_id)
