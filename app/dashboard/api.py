"""JSON routes over several slices: the overview of a project."""

from __future__ import annotations

from fastapi import APIRouter

from app.dashboard import service
from app.dashboard.schemas import OverviewOut, TaskNumbersOut, VoteNumbersOut
from app.projects.access import ProjectReviewer
from app.web.request import DbSession

router = APIRouter(tags=["overview"])


@router.get("/projects/{project_id}/overview")
def read_overview(session: DbSession, access: ProjectReviewer) -> OverviewOut:
    found = service.overview(session, access.project)
    return OverviewOut(
        tasks=TaskNumbersOut.model_validate(found.tasks),
        votes=VoteNumbersOut.model_validate(found.votes),
        overlap=found.policy.overlap,
        guideline_version=found.guideline.number if found.guideline else None,
    )
