"""What admins do with people: roles, ends of memberships, deactivation, and who administers the installation.

Two rules hold against any two deeds at once, because the rows that count are locked first. There is always an active
instance admin: the last one can be neither deactivated nor demoted, by nobody. And an admin of a project cannot take
the role from its last admin; an instance admin can, being admin of every project.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app import audit
from app.accounts import people_queries, queries
from app.accounts.people_queries import Member
from app.accounts.schemas import MemberWork
from app.accounts.service import inbox
from app.errors import Conflict, NotFound
from app.models import LinkKind, Membership, Role, User
from app.web.i18n import N_

LAST_INSTANCE_ADMIN = N_(
    "This is the last admin of this installation. Make somebody else an admin first, so that it is not left without."
)
LAST_PROJECT_ADMIN = N_(
    "This is the last admin of the project. Make somebody else an admin first, or ask an admin of the installation."
)


def change_role(
    session: Session, *, project_id: int, user_id: int, role: Role, actor_id: int, by_instance_admin: bool
) -> None:
    """Give a member another role; the same role again changes nothing."""
    admins = queries.lock_project_admins(session, project_id)
    row = _member(session, project_id, user_id)
    before = row.role
    if before == role:
        return
    if before == Role.ADMIN:
        _keep_an_admin(admins, user_id, by_instance_admin=by_instance_admin)
        _revoke_invitations(session, project_id, user_id)
    row.role = role
    audit.record(
        session,
        "membership.change_role",
        actor_id=actor_id,
        project_id=project_id,
        target=row,
        user_id=user_id,
        before=before,
        after=role,
    )
    _tell_about_role(session, project_id=project_id, user_id=user_id, role=role, actor_id=actor_id)


def _tell_about_role(session: Session, *, project_id: int, user_id: int, role: Role, actor_id: int) -> None:
    if user_id == actor_id:
        return
    sentences = {
        Role.ADMIN: N_("You are now an admin of the project %(project)s."),
        Role.REVIEWER: N_("You are now a reviewer in the project %(project)s."),
        Role.ANNOTATOR: N_("You are now an annotator in the project %(project)s."),
    }
    project = queries.project_name(session, project_id)
    inbox.notify(session, user_id, N_("Your role in %(project)s has changed"), sentences[role], project=project)


def end_membership(session: Session, *, project_id: int, user_id: int, actor_id: int, by_instance_admin: bool) -> None:
    """Take a person out of a project: open tasks go back; judgements stay, and count as before."""
    admins = queries.lock_project_admins(session, project_id)
    row = _member(session, project_id, user_id)
    if row.role == Role.ADMIN:
        _keep_an_admin(admins, user_id, by_instance_admin=by_instance_admin)
        _revoke_invitations(session, project_id, user_id)
    row.ended_at = datetime.now(UTC)
    leases = queries.expire_leases(session, user_id, project_id=project_id)
    audit.record(
        session,
        "membership.end",
        actor_id=actor_id,
        project_id=project_id,
        target=row,
        user_id=user_id,
        leases_returned=leases,
    )
    if user_id != actor_id:
        inbox.notify(
            session,
            user_id,
            N_("Your part in %(project)s has ended"),
            N_("An admin has ended your membership of the project %(project)s. Your judgements are kept."),
            project=queries.project_name(session, project_id),
        )


def _member(session: Session, project_id: int, user_id: int) -> Membership:
    row = queries.lock_membership(session, user_id, project_id)
    if row is None or row.ended_at is not None:
        raise NotFound("This person is not a member of the project.")
    return row


def _keep_an_admin(admins: list[int], user_id: int, *, by_instance_admin: bool) -> None:
    if not by_instance_admin and [*admins] == [user_id]:
        raise Conflict(LAST_PROJECT_ADMIN, code="last_admin")


def _revoke_invitations(session: Session, project_id: int, user_id: int) -> None:
    """Links that somebody handed out as an admin must not outlive the role."""
    queries.revoke_links(session, LinkKind.INVITATION, project_id=project_id, created_by_id=user_id)


def require_person(session: Session, user_id: int) -> User:
    """The person with that id; NotFound otherwise."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound
    return user


def change_work(session: Session, *, project_id: int, user_id: int, work: MemberWork, actor_id: int) -> None:
    """Say what work reaches a member; from the next task on, and the same again changes nothing."""
    row = _member(session, project_id, user_id)
    wanted = work.model_dump()
    before = {name: getattr(row, name) for name in wanted}
    changed = {name: value for name, value in wanted.items() if before[name] != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(row, name, value)
    audit.record(
        session,
        "membership.change_work",
        actor_id=actor_id,
        project_id=project_id,
        target=row,
        user_id=user_id,
        before={name: before[name] for name in changed},
        after=changed,
    )


def require_member(session: Session, *, project_id: int, user_id: int) -> Member:
    """A present member of the project; NotFound for everybody else."""
    found = people_queries.members(session, project_id, user_id=user_id, limit=1)
    if not found:
        raise NotFound("This person is not a member of the project.")
    return found[0]


def deactivate(session: Session, *, user_id: int, actor_id: int) -> None:
    """Close an account: sign-ins, tokens and links end at once, open tasks go back; judgements stay."""
    admins = queries.lock_instance_admins(session)
    user = _locked(session, user_id)
    if not user.is_active:
        return
    if admins == [user_id]:
        raise Conflict(LAST_INSTANCE_ADMIN, code="last_admin")
    user.is_active = False
    user.deactivated_at = datetime.now(UTC)
    ended = {
        "sessions_ended": queries.end_sessions(session, user_id),
        "tokens_revoked": queries.revoke_tokens(session, user_id),
        "leases_returned": queries.expire_leases(session, user_id),
        "links_revoked": queries.revoke_links(session, created_by_id=user_id)
        + queries.revoke_links(session, LinkKind.PASSWORD_RESET, user_id=user_id),
    }
    audit.record(session, "user.deactivate", actor_id=actor_id, target=user, **ended)
    for admin_id in admins:
        if admin_id not in (actor_id, user_id):
            inbox.notify(
                session,
                admin_id,
                N_("%(name)s has been deactivated"),
                N_("The account of %(name)s was closed; open tasks went back to the queue."),
                name=user.name,
            )


def reactivate(session: Session, *, user_id: int, actor_id: int) -> None:
    """Open a closed account again; memberships are as they were, sign-ins and tokens are not."""
    user = _locked(session, user_id)
    if user.is_active:
        return
    user.is_active = True
    user.deactivated_at = None
    audit.record(session, "user.reactivate", actor_id=actor_id, target=user)
    inbox.notify(
        session, user_id, N_("Your account is open again"), N_("An admin has opened your account again. Welcome back.")
    )


def grant_instance_admin(session: Session, *, user_id: int, actor_id: int) -> None:
    user = _locked(session, user_id)
    if user.is_instance_admin:
        return
    if not user.is_active:
        raise Conflict("This account is closed. Open it again first.", code="inactive")
    user.is_instance_admin = True
    audit.record(session, "user.grant_instance_admin", actor_id=actor_id, target=user)
    inbox.notify(
        session,
        user_id,
        N_("You are now an admin of this installation"),
        N_("You can now administer people, projects and settings of this installation."),
    )


def withdraw_instance_admin(session: Session, *, user_id: int, actor_id: int) -> None:
    admins = queries.lock_instance_admins(session)
    user = _locked(session, user_id)
    if not user.is_instance_admin:
        return
    if admins == [user_id]:
        raise Conflict(LAST_INSTANCE_ADMIN, code="last_admin")
    user.is_instance_admin = False
    queries.revoke_links(session, LinkKind.PASSWORD_RESET, created_by_id=user_id)
    queries.revoke_invitations_without_role(session, user_id)
    audit.record(session, "user.withdraw_instance_admin", actor_id=actor_id, target=user)
    if user_id != actor_id:
        inbox.notify(
            session,
            user_id,
            N_("You are no longer an admin of this installation"),
            N_("Your roles in projects are as they were."),
        )


def _locked(session: Session, user_id: int) -> User:
    user = queries.lock_user(session, user_id)
    if user is None:
        raise NotFound
    return user
