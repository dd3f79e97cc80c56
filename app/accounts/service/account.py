"""What people do with their own account: profile, password, sign-ins, API tokens."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.passwords import hash_password, is_password
from app.accounts.service.users import require_good_password
from app.accounts.tokens import new_token
from app.errors import Conflict, Invalid, NotFound
from app.models import ApiToken, User

TOKEN_PREFIX = "accord_"  # noqa: S105 - what every token begins with
MOST_TOKENS = 50


def change_profile(session: Session, *, user_id: int, name: str, locale: str, theme: str) -> User:
    user = session.get_one(User, user_id)
    changed = [
        field
        for field, value in {"name": name, "locale": locale, "theme": theme}.items()
        if getattr(user, field) != value
    ]
    user.name, user.locale, user.theme = name, locale, theme
    if changed:
        audit.record(session, "user.change_profile", actor_id=user_id, target=user, fields=changed)
    return user


def change_theme(session: Session, *, user_id: int, theme: str) -> None:
    """A matter of taste, and no deed for the audit trail."""
    session.get_one(User, user_id).theme = theme


def change_reading(
    session: Session, *, user_id: int, text_size: str, reading_width: str, motion: str, covers_warned: bool
) -> None:
    """A matter of taste like the theme."""
    user = session.get_one(User, user_id)
    user.text_size, user.reading_width, user.motion = text_size, reading_width, motion
    user.covers_warned = covers_warned


def change_password(session: Session, *, user_id: int, current_password: str, password: str) -> None:
    """All sign-ins end; whoever asked begins a new one."""
    user = queries.lock_user(session, user_id)
    assert user is not None
    if not is_password(user.password_hash, current_password):
        raise Invalid("This is not your present password.", code="wrong_password", field="current_password")
    set_password(session, user, password)
    audit.record(session, "user.change_password", actor_id=user_id, target=user)


def set_password(session: Session, user: User, password: str) -> None:
    """A new password ends every sign-in and every open reset link of the person."""
    require_good_password(password, email=user.email, name=user.name)
    user.password_hash = hash_password(password)
    user.password_changed_at = queries.now(session)
    queries.end_sessions(session, user.id)
    queries.revoke_reset_links(session, user.id)


def end_session(session: Session, *, user_id: int, sign_in_id: int) -> None:
    if not queries.end_session(session, user_id, sign_in_id):
        raise NotFound
    audit.record(session, "session.end", actor_id=user_id, sign_in_id=sign_in_id)


def end_other_sessions(session: Session, *, user_id: int, but: int | None) -> int:
    """End every sign-in but the one that asks; returns how many ended."""
    count = queries.end_sessions(session, user_id, but=but)
    audit.record(session, "session.end_others", actor_id=user_id, count=count)
    return count


def create_token(session: Session, *, user_id: int, name: str) -> tuple[ApiToken, str]:
    """A token for programs, and its secret, which is known now and never again."""
    if len(queries.open_tokens(session, user_id)) >= MOST_TOKENS:
        raise Conflict("You have %(most)s tokens already. Revoke one first.", field="name", most=MOST_TOKENS)
    secret, token_hash = new_token(TOKEN_PREFIX)
    token = ApiToken(user_id=user_id, name=name, prefix=secret[: len(TOKEN_PREFIX) + 6], token_hash=token_hash)
    session.add(token)
    session.flush()
    session.refresh(token)
    audit.record(session, "token.create", actor_id=user_id, target=token, name=name)
    return token, secret


def revoke_token(session: Session, *, user_id: int, token_id: int) -> None:
    if not queries.revoke_tokens(session, user_id, token_id=token_id):
        raise NotFound
    audit.record(session, "token.revoke", actor_id=user_id, token_id=token_id)
