"""Making the sample project, and filling it, in the browser and through the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import queue
from app.accounts.access import InstanceAdmin
from app.dashboard import sample
from app.dashboard.schemas import SampleOut
from app.projects.access import ProjectAdmin
from app.web.htmx import redirect
from app.web.request import DbSession

router = APIRouter()
api_router = APIRouter(tags=["projects"])


@router.post("/projects/sample")
def create_sample(request: Request, session: DbSession, viewer: InstanceAdmin) -> Response:
    project, _is_new = sample.create_sample(session, actor_id=viewer.id)
    return redirect(request, f"/projects/{project.id}")


@router.post("/projects/{project_id}/simulate")
def fill_sample(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    """Ask for simulated annotators; the overview shows the job's card."""
    sample.fill_sample(session, access.project, actor_id=access.viewer.id)
    return redirect(request, f"/projects/{access.project.id}")


@api_router.post("/projects/sample")
def create_sample_by_api(session: DbSession, viewer: InstanceAdmin) -> SampleOut:
    """Make the sample project, or find the one that is there."""
    project, is_new = sample.create_sample(session, actor_id=viewer.id)
    return SampleOut(project_id=project.id, created=is_new)


@api_router.post("/projects/{project_id}/simulate", status_code=202)
def fill_sample_by_api(session: DbSession, access: ProjectAdmin) -> dict[str, Any]:
    """Ask for simulated annotators; answers the job."""
    return queue.snapshot(sample.fill_sample(session, access.project, actor_id=access.viewer.id))
