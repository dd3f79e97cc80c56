"""New passwords for those who forgot theirs: by a link that an admin hands on, or by mail."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.service import account, inbox, links
from app.accounts.service.users import require_good_password
from app.config import settings
from app.errors import Conflict, Gone, NotFound
from app.models import LinkKind, OneTimeLink, User
from app.queue import Job, enqueue
from app.web.i18n import N_


def create_link(session: Session, *, user: User, actor_id: int | None) -> tuple[OneTimeLink, str]:
    """A fresh link, which replaces open ones, and its address to hand on.

    Where mail works the person gets a link of their own too, so that no address with a secret stands in a job.
    """
    if not user.is_active:
        raise Conflict("This account is closed. Open it again first.", code="inactive")
    queries.revoke_reset_links(session, user.id)
    link, url = _add(session, user.id, actor_id)
    audit.record(session, "password_reset.create", actor_id=actor_id, target=link, user_id=user.id)
    if inbox.has_mail():
        ask_by_mail(session, email=user.email)
    return link, url


def create_link_for(session: Session, *, email: str) -> str:
    """The command line's way: the address of a fresh link for the person with this e-mail address."""
    user = queries.user_by_email(session, email.strip())
    if user is None:
        raise NotFound("There is nobody with the e-mail address %(email)s.", email=email)
    return create_link(session, user=user, actor_id=None)[1]


def _add(session: Session, user_id: int, actor_id: int | None) -> tuple[OneTimeLink, str]:
    valid_for = timedelta(hours=settings().reset_hours)
    return links.add_link(session, LinkKind.PASSWORD_RESET, valid_for=valid_for, actor_id=actor_id, user_id=user_id)


def ask_by_mail(session: Session, *, email: str) -> None:
    """The same work whether or not the address belongs to anybody: the worker finds out."""
    key = hashlib.sha256(email.lower().encode()).hexdigest()
    enqueue(session, Job.SEND_MAIL, {"reset_email": email}, key=f"reset:{key}")


def mailed_link(session: Session, *, email: str) -> tuple[User, str] | None:
    """For the worker: the person behind an address and a link for them; None when there is nobody."""
    user = queries.user_by_email(session, email)
    if user is None or not user.is_active:
        return None
    link, url = _add(session, user.id, None)
    audit.record(session, "password_reset.mail", actor_id=None, target=link, user_id=user.id)
    return user, url


def find(session: Session, token: str, *, lock: bool = False) -> tuple[OneTimeLink, User]:
    """The open link and whose password it resets; NotFound or Gone otherwise."""
    link = links.find_link(session, LinkKind.PASSWORD_RESET, token, lock=lock)
    user = session.get_one(User, link.user_id)
    if not user.is_active:
        raise Gone(links.SENTENCES[LinkKind.PASSWORD_RESET][1])
    return link, user


def set_new_password(session: Session, *, token: str, password: str) -> User:
    """Use the link: the new password holds, every sign-in of the person ends."""
    link, user = find(session, token, lock=True)
    require_good_password(password, email=user.email, name=user.name)
    links.use_link(link, user_id=user.id)
    session.flush()
    account.set_password(session, user, password)
    audit.record(session, "password_reset.use", actor_id=user.id, target=link)
    inbox.notify(
        session,
        user.id,
        N_("Your password was changed"),
        N_("Your password was set anew by a reset link, and all sign-ins ended. If this was not you, tell an admin."),
    )
    return user
