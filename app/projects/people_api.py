"""JSON routes of a project's members and invitations."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.accounts import people_queries
from app.accounts.access import PathId
from app.accounts.api import Cursor
from app.accounts.people_queries import Member
from app.accounts.schemas import (
    ChangeRole,
    CreatedInvitation,
    InvitationList,
    InvitationOut,
    MemberOut,
    MemberPage,
    MemberWork,
    NewInvitation,
    NewMessage,
)
from app.accounts.service import inbox, invitations, people
from app.models import OneTimeLink
from app.projects.access import ProjectAdmin, require_writable
from app.web.request import DbSession

router = APIRouter(tags=["members"])
PAGE = 100


@router.get("/projects/{project_id}/members")
def list_members(session: DbSession, access: ProjectAdmin, cursor: Cursor = None) -> MemberPage:
    """Present members in the order in which they came."""
    found = people_queries.members(session, access.project.id, after=cursor, limit=PAGE + 1)
    return MemberPage(
        items=[_member(row) for row in found[:PAGE]],
        next_cursor=str(found[PAGE - 1].membership_id) if len(found) > PAGE else None,
        other_annotators=people_queries.count_other_annotators(session, access.project.id),
    )


@router.get("/projects/{project_id}/members/{user_id}")
def read_member(session: DbSession, access: ProjectAdmin, user_id: PathId) -> MemberOut:
    return _found(session, access.project.id, user_id)


@router.put("/projects/{project_id}/members/{user_id}")
def change_role(session: DbSession, access: ProjectAdmin, user_id: PathId, wanted: ChangeRole) -> MemberOut:
    """Another role; 409 where the project would be left without an admin."""
    people.change_role(
        session,
        project_id=access.project.id,
        user_id=user_id,
        role=wanted.role,
        actor_id=access.viewer.id,
        by_instance_admin=access.viewer.is_instance_admin,
    )
    session.flush()
    return _found(session, access.project.id, user_id)


@router.put("/projects/{project_id}/members/{user_id}/work")
def change_work(session: DbSession, access: ProjectAdmin, user_id: PathId, wanted: MemberWork) -> MemberOut:
    """Which tasks reach the member: languages, domains, skills, groups, quotas."""
    people.change_work(session, project_id=access.project.id, user_id=user_id, work=wanted, actor_id=access.viewer.id)
    session.flush()
    return _found(session, access.project.id, user_id)


@router.delete("/projects/{project_id}/members/{user_id}", status_code=204)
def end_membership(session: DbSession, access: ProjectAdmin, user_id: PathId) -> None:
    """Open tasks go back to the queue, judgements are kept."""
    people.end_membership(
        session,
        project_id=access.project.id,
        user_id=user_id,
        actor_id=access.viewer.id,
        by_instance_admin=access.viewer.is_instance_admin,
    )


@router.post("/projects/{project_id}/members/{user_id}/messages", status_code=204)
def write_message(session: DbSession, access: ProjectAdmin, user_id: PathId, wanted: NewMessage) -> None:
    people.require_member(session, project_id=access.project.id, user_id=user_id)
    inbox.write_to(
        session, user_id=user_id, actor_id=access.viewer.id, project_id=access.project.id, **wanted.model_dump()
    )


def _found(session: Session, project_id: int, user_id: int) -> MemberOut:
    return _member(people.require_member(session, project_id=project_id, user_id=user_id))


def _member(row: Member) -> MemberOut:
    return MemberOut(
        user_id=row.user.id,
        name=row.user.name,
        pseudonym=row.pseudonym,
        role=row.role,
        is_active=row.user.is_active,
        member_since=row.member_since,
        last_seen_at=row.last_seen_at,
        work=MemberWork.model_validate({name: getattr(row.membership, name) for name in MemberWork.model_fields}),
    )


@router.get("/projects/{project_id}/invitations")
def list_invitations(session: DbSession, access: ProjectAdmin) -> InvitationList:
    """Open ones, newest first, 200 at most."""
    found = people_queries.open_invitations(session, access.project.id)
    return InvitationList(items=[_invitation(link, name) for link, name in found])


def _invitation(link: OneTimeLink, inviter: str) -> InvitationOut:
    assert link.role is not None
    return InvitationOut(
        id=link.id,
        role=link.role,
        email=link.email,
        note=link.note,
        created_by=inviter,
        created_at=link.created_at,
        expires_at=link.expires_at,
    )


@router.post("/projects/{project_id}/invitations", status_code=201)
def invite(session: DbSession, access: ProjectAdmin, wanted: NewInvitation) -> CreatedInvitation:
    """A link to hand on; `url` is null when it leaves by mail instead."""
    require_writable(access)
    link, url = invitations.invite(
        session, project_id=access.project.id, actor_id=access.viewer.id, **wanted.model_dump()
    )
    return _created(link, url)


@router.post("/projects/{project_id}/invitations/{invitation_id}/renew")
def renew_invitation(session: DbSession, access: ProjectAdmin, invitation_id: PathId) -> CreatedInvitation:
    """A fresh link for an open invitation; the old one stops working."""
    require_writable(access)
    link, url = invitations.renew(
        session, project_id=access.project.id, link_id=invitation_id, actor_id=access.viewer.id
    )
    return _created(link, url)


def _created(link: OneTimeLink, url: str | None) -> CreatedInvitation:
    assert link.role is not None
    return CreatedInvitation(id=link.id, role=link.role, expires_at=link.expires_at, url=url, is_mailed=url is None)


@router.delete("/projects/{project_id}/invitations/{invitation_id}", status_code=204)
def revoke_invitation(session: DbSession, access: ProjectAdmin, invitation_id: PathId) -> None:
    invitations.revoke(session, project_id=access.project.id, link_id=invitation_id, actor_id=access.viewer.id)
