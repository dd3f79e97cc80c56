"""A project's people, for its admins: members and their roles, invitations, and who else judged here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts import people_queries
from app.accounts.access import PathId
from app.accounts.schemas import ChangeRole, MemberWork, NewInvitation, NewMessage
from app.accounts.service import inbox, invitations, people
from app.projects.access import ProjectAccess, ProjectAdmin, require_writable
from app.projects.navigation import studio_nav
from app.web.forms import FormFields, parse_form
from app.web.htmx import redirect
from app.web.i18n import gettext as _
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
PAGE = 100


@router.get("/projects/{project_id}/people")
def show_people(
    request: Request,
    session: DbSession,
    access: ProjectAdmin,
    after: Annotated[int | None, Query(gt=0, lt=2**63)] = None,
    done: str = "",
) -> Response:
    return _page(request, session, access, after=after, done=done)


@router.post("/projects/{project_id}/invitations")
def invite(request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields) -> Response:
    """The answer shows the link, this once; an invitation with an address leaves by mail where mail is set up."""
    require_writable(access)
    wanted, errors = parse_form(NewInvitation, fields)
    if wanted is None:
        return _page(request, session, access, values=fields, errors=errors)
    _link, url = invitations.invite(
        session, project_id=access.project.id, actor_id=access.viewer.id, **wanted.model_dump()
    )
    if url is None:
        return redirect(request, f"/projects/{access.project.id}/people?done=mailed")
    return _page(request, session, access, invitation_url=url)


@router.post("/projects/{project_id}/invitations/{invitation_id}/renew")
def renew_invitation(request: Request, session: DbSession, access: ProjectAdmin, invitation_id: PathId) -> Response:
    require_writable(access)
    _link, url = invitations.renew(
        session, project_id=access.project.id, link_id=invitation_id, actor_id=access.viewer.id
    )
    return _page(request, session, access, invitation_url=url)


@router.post("/projects/{project_id}/invitations/{invitation_id}/revoke")
def revoke_invitation(request: Request, session: DbSession, access: ProjectAdmin, invitation_id: PathId) -> Response:
    invitations.revoke(session, project_id=access.project.id, link_id=invitation_id, actor_id=access.viewer.id)
    return redirect(request, f"/projects/{access.project.id}/people?done=revoked")


def _page(
    request: Request,
    session: Session,
    access: ProjectAccess,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    invitation_url: str | None = None,
    after: int | None = None,
    done: str = "",
) -> Response:
    project_id = access.project.id
    members = people_queries.members(session, project_id, after=after, limit=PAGE + 1)
    done_sentences = {
        "mailed": _("The invitation leaves by mail."),
        "revoked": _("The invitation is withdrawn; its link works no longer."),
        "ended": _("No longer a member. Open tasks go back to the queue, judgements are kept."),
    }
    base = f"/projects/{project_id}/people"
    context = {
        "nav": studio_nav(access, "people"),
        "project": access.project,
        "members": members[:PAGE],
        "first_url": base if after else None,
        "next_url": f"{base}?after={members[PAGE - 1].membership_id}" if len(members) > PAGE else None,
        "invitations": people_queries.open_invitations(session, project_id),
        "others": people_queries.count_other_annotators(session, project_id),
        "values": values or {},
        "errors": errors or {},
        "invitation_url": invitation_url,
        "has_mail": inbox.has_mail(),
        "toasts": [("success", done_sentences[done])] if done in done_sentences else [],
    }
    return render(request, "projects/people.html", context, status=422 if errors else 200)


@router.get("/projects/{project_id}/people/{user_id}")
def show_member(
    request: Request, session: DbSession, access: ProjectAdmin, user_id: PathId, done: str = ""
) -> Response:
    return _member_page(request, session, access, user_id, done=done)


@router.post("/projects/{project_id}/people/{user_id}/role")
def change_role(
    request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields, user_id: PathId
) -> Response:
    people.require_member(session, project_id=access.project.id, user_id=user_id)
    wanted, errors = parse_form(ChangeRole, fields)
    if wanted is None:
        return _member_page(request, session, access, user_id, errors=errors)
    people.change_role(
        session,
        project_id=access.project.id,
        user_id=user_id,
        role=wanted.role,
        actor_id=access.viewer.id,
        by_instance_admin=access.viewer.is_instance_admin,
    )
    if user_id == access.viewer.id:  # whoever stepped down may not see this page any more
        return redirect(request, f"/projects/{access.project.id}")
    return redirect(request, f"/projects/{access.project.id}/people/{user_id}?done=role")


@router.post("/projects/{project_id}/people/{user_id}/work")
def change_work(
    request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields, user_id: PathId
) -> Response:
    """Languages, domains, skills, groups and quotas: which tasks reach the member."""
    people.require_member(session, project_id=access.project.id, user_id=user_id)
    wanted, errors = parse_form(MemberWork, fields)
    if wanted is None:
        return _member_page(request, session, access, user_id, values=fields, errors=errors)
    people.change_work(session, project_id=access.project.id, user_id=user_id, work=wanted, actor_id=access.viewer.id)
    return redirect(request, f"/projects/{access.project.id}/people/{user_id}?done=work")


@router.post("/projects/{project_id}/people/{user_id}/end")
def end_membership(request: Request, session: DbSession, access: ProjectAdmin, user_id: PathId) -> Response:
    people.end_membership(
        session,
        project_id=access.project.id,
        user_id=user_id,
        actor_id=access.viewer.id,
        by_instance_admin=access.viewer.is_instance_admin,
    )
    if user_id == access.viewer.id and not access.viewer.is_instance_admin:
        return redirect(request, "/")
    return redirect(request, f"/projects/{access.project.id}/people?done=ended")


@router.post("/projects/{project_id}/people/{user_id}/message")
def write_message(
    request: Request, session: DbSession, access: ProjectAdmin, fields: FormFields, user_id: PathId
) -> Response:
    people.require_member(session, project_id=access.project.id, user_id=user_id)
    wanted, errors = parse_form(NewMessage, fields)
    if wanted is None:
        return _member_page(request, session, access, user_id, values=fields, errors=errors)
    inbox.write_to(
        session, user_id=user_id, actor_id=access.viewer.id, project_id=access.project.id, **wanted.model_dump()
    )
    return redirect(request, f"/projects/{access.project.id}/people/{user_id}?done=message")


def _member_page(
    request: Request,
    session: Session,
    access: ProjectAccess,
    user_id: int,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    done: str = "",
) -> Response:
    done_sentences = {
        "role": _("The role is changed."),
        "message": _("The message is in the inbox."),
        "work": _("Saved. It holds from the next task on."),
    }
    member = people.require_member(session, project_id=access.project.id, user_id=user_id)
    work = {name: getattr(member.membership, name) for name in MemberWork.model_fields}
    shown = {name: ", ".join(value) if isinstance(value, list) else value for name, value in work.items()}
    context = {
        "nav": studio_nav(access, "people"),
        "project": access.project,
        "member": member,
        "values": shown | (values or {}),
        "errors": errors or {},
        "toasts": [("success", done_sentences[done])] if done in done_sentences else [],
    }
    return render(request, "projects/people_member.html", context, status=422 if errors else 200)
