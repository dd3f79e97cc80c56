"""One-time links: made, found in a usable state, used once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import queries
from app.accounts.tokens import hash_token, new_token
from app.config import settings
from app.errors import Gone, NotFound
from app.models import LinkKind, OneTimeLink
from app.web.i18n import N_

PATHS = {LinkKind.SETUP: "setup", LinkKind.INVITATION: "invitations", LinkKind.PASSWORD_RESET: "reset"}
SENTENCES = {
    LinkKind.SETUP: (
        N_("There is no such set-up link. Run `python -m app setup-link` on the server for a fresh one."),
        N_("This set-up link has been used or replaced. Sign in, or run `python -m app setup-link` on the server."),
        N_("This set-up link has expired. Run `python -m app setup-link` on the server for a fresh one."),
    ),
    LinkKind.INVITATION: (
        N_("There is no such invitation. Check that the whole link was copied, or ask for a new one."),
        N_("This invitation has been used or withdrawn. If you accepted it, sign in; otherwise ask for a new one."),
        N_("This invitation has expired. Ask whoever invited you for a new one."),
    ),
    LinkKind.PASSWORD_RESET: (
        N_("There is no such link. Check that the whole link was copied, or ask for a new one."),
        N_("This link has been used or replaced by a newer one. Ask for a new one if you still need it."),
        N_("This link has expired. Ask for a new one."),
    ),
}


def add_link(
    session: Session, kind: LinkKind, *, valid_for: timedelta, actor_id: int | None, **values: Any
) -> tuple[OneTimeLink, str]:
    """A fresh link and its address, which is known now and never again."""
    token, token_hash = new_token()
    link = OneTimeLink(
        kind=kind,
        token_hash=token_hash,
        created_by_id=actor_id,
        expires_at=datetime.now(UTC) + valid_for,
        **values,
    )
    session.add(link)
    session.flush()
    return link, link_url(kind, token)


def link_url(kind: LinkKind, token: str) -> str:
    """Made from PUBLIC_URL: a forged Host header must not send people elsewhere."""
    return f"{settings().public_url}/{PATHS[kind]}/{token}"


def find_link(session: Session, kind: LinkKind, token: str, *, lock: bool = False) -> OneTimeLink:
    """The link behind `token` if it can still be used; NotFound or Gone otherwise."""
    unknown, used, expired = SENTENCES[kind]
    link = queries.link_by_token(session, kind, hash_token(token), lock=lock)
    if link is None:
        raise NotFound(unknown)
    if link.used_at is not None or link.revoked_at is not None:
        raise Gone(used)
    if link.expires_at <= datetime.now(UTC):
        raise Gone(expired)
    return link


def use_link(link: OneTimeLink, *, user_id: int) -> None:
    """Mark a link that find_link has locked."""
    link.used_at = datetime.now(UTC)
    link.used_by_id = user_id
