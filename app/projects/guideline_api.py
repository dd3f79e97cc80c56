"""JSON routes of the guidelines: versions for everybody in the project, draft and publishing for its admins."""

from __future__ import annotations

from fastapi import APIRouter

from app.models import GuidelineVersion
from app.projects import queries, service
from app.projects.access import ProjectAdmin, ProjectMember, access_guideline
from app.projects.schemas import (
    DraftIn,
    DraftOut,
    GuidelineList,
    GuidelineOut,
    GuidelineSummary,
    HtmlOut,
    MarkdownIn,
    PublishIn,
)
from app.web import markdown
from app.web.request import DbSession

router = APIRouter(tags=["guidelines"])


@router.get("/projects/{project_id}/guidelines")
def list_guidelines(session: DbSession, access: ProjectMember) -> GuidelineList:
    """The published versions, newest first."""
    found = queries.guideline_versions(session, access.project.id)
    return GuidelineList(items=[GuidelineSummary.model_validate(version) for version in found])


@router.get("/projects/{project_id}/guidelines/draft")
def read_draft(session: DbSession, access: ProjectAdmin) -> DraftOut:
    """The draft, or the text that a new one would start from."""
    draft = queries.draft(session, access.project.id)
    published = queries.current_guideline(session, access.project.id)
    text = draft or published
    return DraftOut(
        body=text.body if text else "",
        updated_at=draft.updated_at if draft else None,
        based_on=published.number if published else None,
    )


@router.put("/projects/{project_id}/guidelines/draft")
def write_draft(session: DbSession, access: ProjectAdmin, sent: DraftIn) -> DraftOut:
    """Save the draft; 409 when it is no longer as it was at `updated_at`."""
    draft = service.save_draft(
        session, viewer_id=access.viewer.id, project_id=access.project.id, body=sent.body, seen_at=sent.updated_at
    )
    published = queries.current_guideline(session, access.project.id)
    return DraftOut(body=draft.body, updated_at=draft.updated_at, based_on=published.number if published else None)


@router.delete("/projects/{project_id}/guidelines/draft", status_code=204)
def discard_draft(session: DbSession, access: ProjectAdmin) -> None:
    service.discard_draft(session, viewer_id=access.viewer.id, project_id=access.project.id)


@router.post("/projects/{project_id}/guidelines/publish", status_code=201)
def publish(session: DbSession, access: ProjectAdmin, sent: PublishIn) -> GuidelineOut:
    version = service.publish_guideline(
        session,
        viewer_id=access.viewer.id,
        project_id=access.project.id,
        seen_at=sent.updated_at,
        change_note=sent.change_note,
        is_major=sent.is_major,
    )
    return _full(version)


@router.post("/projects/{project_id}/guidelines/preview")
def preview(_access: ProjectAdmin, sent: MarkdownIn) -> HtmlOut:
    """The Markdown as readers will see it; nothing is saved."""
    return HtmlOut(html=str(markdown.render(sent.body)))


@router.get("/projects/{project_id}/guidelines/{number}")
def read_version(session: DbSession, access: ProjectMember, number: int) -> GuidelineOut:
    return _full(access_guideline(session, access.project.id, number))


def _full(version: GuidelineVersion) -> GuidelineOut:
    fields = GuidelineSummary.model_validate(version).model_dump()
    return GuidelineOut(**fields, body=version.body, html=str(markdown.render(version.body)))
