"""Invitations: a link with a role in one project, good for one person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app import audit
from app.accounts import queries
from app.accounts.roles import has_role
from app.accounts.service import consent, inbox, links, sign_in, users
from app.accounts.tokens import new_token
from app.config import settings
from app.errors import Gone, Invalid, NotFound
from app.models import LinkKind, OneTimeLink, Project, ProjectStatus, Role, User
from app.queue import Job, enqueue
from app.web.i18n import N_


def invite(
    session: Session, *, project_id: int, role: Role, email: str, note: str, actor_id: int
) -> tuple[OneTimeLink, str | None]:
    """A new invitation and its address. The address is None when it leaves by mail, for then only the mail holds it."""
    link, url = links.add_link(
        session,
        LinkKind.INVITATION,
        valid_for=timedelta(days=settings().invitation_days),
        actor_id=actor_id,
        project_id=project_id,
        role=role,
        email=email,
        note=note,
    )
    audit.record(session, "invitation.create", actor_id=actor_id, project_id=project_id, target=link, role=role)
    if email and inbox.has_mail():
        enqueue(session, Job.SEND_MAIL, {"invitation_id": link.id}, key=f"invitation:{link.id}", project_id=project_id)
        return link, None
    return link, url


def renew(session: Session, *, project_id: int, link_id: int, actor_id: int) -> tuple[OneTimeLink, str]:
    """A fresh address for an open invitation, since the first is shown only once; the old address stops working."""
    link = _open_invitation(session, project_id, link_id)
    token, link.token_hash = new_token()
    link.expires_at = datetime.now(UTC) + timedelta(days=settings().invitation_days)
    audit.record(session, "invitation.renew", actor_id=actor_id, project_id=project_id, target=link)
    return link, links.link_url(LinkKind.INVITATION, token)


def mailed_link(session: Session, *, link_id: int) -> tuple[OneTimeLink, str] | None:
    """For the worker: an open invitation with a fresh address; None when it has been used or withdrawn meanwhile."""
    link = queries.lock_open_link(session, link_id)
    if link is None or not link.email:
        return None
    token, link.token_hash = new_token()
    return link, links.link_url(LinkKind.INVITATION, token)


def revoke(session: Session, *, project_id: int, link_id: int, actor_id: int) -> None:
    link = _open_invitation(session, project_id, link_id)
    link.revoked_at = datetime.now(UTC)
    audit.record(session, "invitation.revoke", actor_id=actor_id, project_id=project_id, target=link)


def _open_invitation(session: Session, project_id: int, link_id: int) -> OneTimeLink:
    link = queries.lock_invitation(session, project_id, link_id)
    if link is None:
        raise NotFound
    if link.used_at is not None or link.revoked_at is not None:
        raise Gone("This invitation has been used or withdrawn already.")
    return link


def find(session: Session, token: str, *, lock: bool = False) -> OneTimeLink:
    """The invitation if it can still be accepted; NotFound or Gone otherwise."""
    link = links.find_link(session, LinkKind.INVITATION, token, lock=lock)
    project = session.get_one(Project, link.project_id)
    if project.status == ProjectStatus.ARCHIVED:
        raise Gone("This project has been archived; nobody can join it any more.")
    return link


def accept(session: Session, *, token: str, user_id: int, consents: bool | None) -> OneTimeLink:
    """A signed-in person joins. `consents` is None where the newest text has been accepted before."""
    link = find(session, token, lock=True)
    if consents is not None:
        consent.accept_newest(session, user_id=user_id, has_consented=consents)
    _join(session, link, user_id)
    return link


def accept_as_stranger(
    session: Session, *, token: str, name: str, email: str, password: str, has_consented: bool
) -> User:
    """Somebody who is not signed in joins: as a new person, or as the one whose address and password these are.

    An address that is taken says no more than a wrong password at the sign-in does.
    """
    link = find(session, token, lock=True)
    consent.require_tick(has_consented=has_consented)
    users.require_good_password(password, email=email, name=name)
    if queries.user_by_email(session, email) is None:
        user: User | None = users.add_user(session, name=name, email=email, password=password)
    else:
        user = sign_in.verify(session, email=email, password=password)
    if user is None:
        raise Invalid(
            "The invitation could not be accepted with this e-mail address and password. "
            "If you have an account here, sign in first; the invitation stays open.",
            code="not_accepted",
            field="email",
        )
    consent.accept_newest(session, user_id=user.id, has_consented=True)
    _join(session, link, user.id)
    return user


def _join(session: Session, link: OneTimeLink, user_id: int) -> None:
    """Give the invitation's role, unless the person has a higher one; an ended membership opens again."""
    assert link.project_id is not None
    assert link.role is not None
    if not queries.insert_membership(session, user_id=user_id, project_id=link.project_id, role=link.role):
        row = queries.lock_membership(session, user_id, link.project_id)
        assert row is not None
        if row.ended_at is not None or not has_role(row.role, link.role):
            row.role = link.role
        row.ended_at = None
    links.use_link(link, user_id=user_id)
    audit.record(
        session, "invitation.accept", actor_id=user_id, project_id=link.project_id, target=link, role=link.role
    )
    if link.created_by_id is not None and link.created_by_id != user_id:
        inbox.notify(
            session,
            link.created_by_id,
            N_("%(name)s joined %(project)s"),
            N_("%(name)s accepted your invitation to the project %(project)s."),
            name=session.get_one(User, user_id).name,
            project=queries.project_name(session, link.project_id),
        )
