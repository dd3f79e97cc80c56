"""The first admin, by a one-time link that only whoever runs the server can make."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.service import consent, links, users
from app.errors import Gone
from app.models import LinkKind, OneTimeLink, User

VALID_FOR = timedelta(days=7)


def setup_link(session: Session) -> str | None:
    """The address of a fresh set-up link, which replaces earlier ones; None when an admin exists."""
    queries.take_lock(session, queries.SETUP_LOCK)
    if queries.has_instance_admin(session):
        return None
    queries.revoke_links(session, LinkKind.SETUP)
    link, url = links.add_link(session, LinkKind.SETUP, valid_for=VALID_FOR, actor_id=None)
    audit.record(session, "setup_link.create", actor_id=None, target=link)
    return url


def find_setup_link(session: Session, token: str, *, lock: bool = False) -> OneTimeLink:
    """The open set-up link; Gone as soon as there is an admin."""
    link = links.find_link(session, LinkKind.SETUP, token, lock=lock)
    if queries.has_instance_admin(session):
        raise Gone(links.SENTENCES[LinkKind.SETUP][1])
    return link


def make_first_admin(session: Session, *, token: str, name: str, email: str, password: str) -> User:
    """The first instance admin, who accepts the first consent text with it. Of two at once, one becomes admin."""
    queries.take_lock(session, queries.SETUP_LOCK)
    link = find_setup_link(session, token, lock=True)
    user = users.add_user(session, name=name, email=email, password=password, is_instance_admin=True)
    links.use_link(link, user_id=user.id)
    audit.record(session, "setup.complete", actor_id=user.id, target=user)
    version = consent.ensure_first_version(session, actor_id=user.id)
    consent.give(session, user_id=user.id, version_id=version.id)
    return user
