"""The consent text: versions that never change, and who accepted which one."""

from __future__ import annotations

import hashlib

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.consent_text import DEFAULT_CONSENT
from app.errors import Conflict, Invalid
from app.models import ConsentVersion
from app.web.i18n import N_

NEEDED = N_("Please tick the box if you agree. Without your agreement you cannot take part.")


def ensure_first_version(session: Session, *, actor_id: int) -> ConsentVersion:
    """The newest version; on a new installation the text that comes with the program becomes version 1."""
    return queries.newest_consent(session) or _add_version(session, number=1, body=DEFAULT_CONSENT, actor_id=actor_id)


def newest_text(session: Session) -> tuple[int, str]:
    """(number, body) of what a new person is asked to accept; before the set-up, the default text as version 1."""
    newest = queries.newest_consent(session)
    return (newest.number, newest.body) if newest else (1, DEFAULT_CONSENT)


def publish(session: Session, *, body: str, actor_id: int) -> ConsentVersion:
    """A new version, which everybody is asked to accept on their next request."""
    queries.take_lock(session, queries.CONSENT_LOCK)
    newest = queries.newest_consent(session)
    if newest is not None and newest.body.strip() == body.strip():
        raise Conflict("This is the text that is in force already; nothing was published.", field="body")
    return _add_version(session, number=newest.number + 1 if newest else 1, body=body, actor_id=actor_id)


def _add_version(session: Session, *, number: int, body: str, actor_id: int) -> ConsentVersion:
    version = ConsentVersion(
        number=number, body=body, content_hash=hashlib.sha256(body.encode()).hexdigest(), created_by_id=actor_id
    )
    session.add(version)
    session.flush()
    audit.record(session, "consent.publish", actor_id=actor_id, target=version, number=number)
    return version


def require_tick(*, has_consented: bool) -> None:
    """A text is accepted by a deed of one's own, never by default."""
    if not has_consented:
        raise Invalid(NEEDED, code="consent_needed", field="has_consented")


def give(session: Session, *, user_id: int, version_id: int) -> None:
    """Record the acceptance; a second time changes nothing."""
    if queries.insert_consent(session, user_id=user_id, version_id=version_id):
        audit.record(session, "consent.give", actor_id=user_id, version_id=version_id)


def accept_newest(session: Session, *, user_id: int, number: int | None = None, has_consented: bool) -> None:
    """Accept the newest text; Conflict when `number` (what the person read) is not the newest any more."""
    require_tick(has_consented=has_consented)
    newest = queries.newest_consent(session)
    if newest is None:
        return
    if number is not None and number != newest.number:
        raise Conflict("The text has changed since you opened this page. Please read the new one.", field="version")
    give(session, user_id=user_id, version_id=newest.id)
