"""Pages of jobs: a project's list, one job, and the card that asks for itself while the job runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app import queue
from app.accounts.access import CurrentViewer, Viewer, role_in_project
from app.dashboard.job_cards import DATASET_KINDS, access_job, cancel_job, card, title
from app.models import Job, JobState, Role
from app.projects.access import ProjectAdmin, access_project
from app.projects.navigation import studio_nav
from app.web.htmx import redirect, wants_partial
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
PAGE = 20
Cursor = Annotated[int | None, Query(ge=1, lt=2**63)]


@router.get("/projects/{project_id}/jobs")
def list_jobs(request: Request, session: DbSession, access: ProjectAdmin, cursor: Cursor = None) -> Response:
    """The project's jobs, newest first; those that run show how far they are."""
    project_id = access.project.id
    found = queue.jobs_of_project(session, project_id, before=cursor, limit=PAGE + 1)
    context = {
        "nav": studio_nav(access, "jobs"),
        "project": access.project,
        "jobs": _all_shown(session, found[:PAGE]),
        "first_page": f"/projects/{project_id}/jobs" if cursor else None,
        "next_page": f"/projects/{project_id}/jobs?cursor={found[PAGE - 1].id}" if len(found) > PAGE else None,
    }
    return render(request, "dashboard/jobs.html", context)


@router.get("/jobs/{job_id}")
def show_job(request: Request, session: DbSession, viewer: CurrentViewer, job_id: int) -> Response:
    return _job_page(request, session, viewer, access_job(session, viewer, job_id))


def _job_page(request: Request, session: Session, viewer: Viewer, job: Job) -> Response:
    context: dict[str, Any] = {"shown": _all_shown(session, [job])[0]}
    if job.project_id is not None and role_in_project(session, viewer, job.project_id) is not None:
        access = access_project(session, viewer, job.project_id, at_least=Role.ANNOTATOR)
        context |= {"nav": studio_nav(access, "jobs"), "project": access.project}
    return render(request, "dashboard/job.html", context)


@router.get("/jobs/{job_id}/card")
def show_card(
    request: Request, session: DbSession, viewer: CurrentViewer, job_id: int, follow: bool = False
) -> Response:
    """The card alone. With `follow`, the end of the work leads on to the page that shows what came of it."""
    job = access_job(session, viewer, job_id)
    if follow and job.state not in queue.ACTIVE and wants_partial(request):
        return redirect(request, _outcome_url(job))
    return render(request, "dashboard/_job.html", {"shown": _all_shown(session, [job], follow=follow)[0]})


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, session: DbSession, viewer: CurrentViewer, job_id: int) -> Response:
    job = cancel_job(session, viewer, access_job(session, viewer, job_id))
    if wants_partial(request):
        return render(request, "dashboard/_job.html", {"shown": _all_shown(session, [job])[0]})
    return redirect(request, f"/jobs/{job_id}")


def _all_shown(session: Session, jobs: Sequence[Job], *, follow: bool = False) -> list[dict[str, Any]]:
    """As the template takes them; those that wait say their place in the line, asked for in one statement."""
    waiting = [job.id for job in jobs if job.state == JobState.QUEUED]
    places = queue.places_in_line(session, waiting) if waiting else {}
    return [_shown(job, places.get(job.id), follow=follow) for job in jobs]


def _shown(job: Job, place: tuple[int, int] | None, *, follow: bool) -> dict[str, Any]:
    described = card(job, place)
    if follow:
        described["url"] += "?follow=true"
    return {"card": described, "title": title(job), "job": job, "outcome_url": _outcome_url(job)}


def _outcome_url(job: Job) -> str:
    if job.kind == queue.Job.PREVIEW_IMPORT and job.project_id is not None:
        return f"/projects/{job.project_id}/import/{job.id}"
    if job.kind == queue.Job.TRAIN and job.project_id is not None and "number" in job.payload:
        return f"/projects/{job.project_id}/training/{job.payload['number']}"
    if job.kind == queue.Job.EVALUATE and job.project_id is not None:
        return f"/projects/{job.project_id}/training/{job.payload['number']}/evaluations/{job.id}"
    if job.kind in DATASET_KINDS and job.project_id is not None and "number" in job.payload:
        return f"/projects/{job.project_id}/datasets/{job.payload['number']}"
    return f"/jobs/{job.id}"
