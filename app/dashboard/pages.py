"""Pages that look over several slices: home, the list of projects, a project's overview."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.accounts.access import CurrentViewer
from app.accounts.navigation import home_nav
from app.annotation.labels import nothing_context
from app.dashboard import service
from app.dashboard.job_cards import card, title
from app.dashboard.own_work import own_work
from app.models import Job, Role
from app.projects.access import ProjectMember
from app.projects.navigation import studio_nav
from app.web.htmx import redirect
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
Cursor = Annotated[int | None, Query(ge=1, lt=2**63)]


@router.get("/")
def home(request: Request, session: DbSession, viewer: CurrentViewer) -> Response:
    """What waits for the person, and the projects they are in."""
    page = service.project_cards(session, viewer)
    own = own_work(session, viewer, page.cards)
    return render(
        request,
        "dashboard/home.html",
        {
            "nav": home_nav(viewer, "home"),
            "cards": page.cards,
            "own": own,
            "nothing": {id_: nothing_context(work.nothing) for id_, work in own.items() if work.nothing is not None},
            "next_cursor": page.next_cursor,
            "has_sample": any(card.project.is_sample for card in page.cards),
            "is_staff": viewer.is_instance_admin or any(card.role != Role.ANNOTATOR for card in page.cards),
        },
    )


@router.get("/projects")
def list_projects(
    request: Request, session: DbSession, viewer: CurrentViewer, cursor: Cursor = None, archived: bool = False
) -> Response:
    """All projects of the person, the archived ones on a list of their own."""
    page = service.project_cards(session, viewer, before=cursor, is_archived=archived)
    return render(
        request,
        "dashboard/projects.html",
        {
            "nav": home_nav(viewer, "projects"),
            "cards": page.cards,
            "next_cursor": page.next_cursor,
            "archived": archived,
            "cursor": cursor,
        },
    )


@router.get("/projects/{project_id}")
def show_overview(request: Request, session: DbSession, access: ProjectMember) -> Response:
    """The project at a glance for reviewers and admins; annotators go to the desk."""
    project = access.project
    if not access.may(Role.REVIEWER):
        return redirect(request, f"/projects/{project.id}/judge")
    is_admin = access.may(Role.ADMIN)
    overview = service.overview(session, project)
    return render(
        request,
        "dashboard/overview.html",
        {
            "nav": studio_nav(access, "overview"),
            "project": project,
            "overview": overview,
            "is_admin": is_admin,
            "jobs": [_job(job) for job in overview.jobs] if is_admin else [],
        },
    )


def _job(job: Job) -> dict[str, Any]:
    """A job as its card shows it; only the project's admins may watch and stop it."""
    return {"card": card(job), "title": title(job), "job": job, "outcome_url": f"/jobs/{job.id}"}
