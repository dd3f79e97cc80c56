"""JSON routes of jobs: list, read, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app import queue
from app.accounts.access import CurrentViewer
from app.dashboard.job_cards import access_job, cancel_job
from app.projects.access import ProjectAdmin
from app.web.request import DbSession

router = APIRouter(tags=["jobs"])
PAGE = 50


class JobPage(BaseModel):
    items: list[dict[str, Any]]
    next_cursor: str | None


@router.get("/projects/{project_id}/jobs")
def list_jobs(
    session: DbSession, access: ProjectAdmin, cursor: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> JobPage:
    """The project's jobs, newest first."""
    found = queue.jobs_of_project(session, access.project.id, before=cursor, limit=PAGE + 1)
    return JobPage(
        items=[queue.snapshot(job) for job in found[:PAGE]],
        next_cursor=str(found[PAGE - 1].id) if len(found) > PAGE else None,
    )


@router.get("/jobs/{job_id}")
def read_job(session: DbSession, viewer: CurrentViewer, job_id: int) -> dict[str, Any]:
    """State, progress, and the result or the reason why there is none."""
    return queue.snapshot(access_job(session, viewer, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel(session: DbSession, viewer: CurrentViewer, job_id: int) -> dict[str, Any]:
    """Stop at once what waits; what runs stops at its next report. 409 when it has ended."""
    return queue.snapshot(cancel_job(session, viewer, access_job(session, viewer, job_id)))
