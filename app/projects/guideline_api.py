"""JSON routes of the guidelines: versions for everybody in the project, draft and publishing for its admins."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer
from app.errors import NotFound
from app.models import GuidelineVersion, Role
from app.projects import queries, service
from app.projects.access import access_project
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
def list_guidelines(session: DbSession, viewer: CurrentViewer, project_id: int) -> GuidelineList:
    """The published versions, newest first."""
    access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)
    found = queries.guideline_versions(session, project_id)
    return GuidelineList(items=[GuidelineSummary.model_validate(version) for version in found])


@router.get("/projects/{project_id}/guidelines/draft")
def read_draft(session: DbSession, viewer: CurrentViewer, project_id: int) -> DraftOut:
    """The draft, or the text that a new one would start from."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    draft = queries.draft(session, project_id)
    published = queries.current_guideline(session, project_id)
    text = draft or published
    return DraftOut(
        body=text.body if text else "",
        updated_at=draft.updated_at if draft else None,
        based_on=published.number if published else None,
    )


@router.put("/projects/{project_id}/guidelines/draft")
def write_draft(session: DbSession, viewer: CurrentViewer, project_id: int, sent: DraftIn) -> DraftOut:
    """Save the draft; 409 when it is no longer as it was at `updated_at`."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    draft = service.save_draft(
        session, viewer_id=viewer.id, project_id=project_id, body=sent.body, seen_at=sent.updated_at
    )
    published = queries.current_guideline(session, project_id)
    return DraftOut(
        body=draft.body, updated_at=draft.updated_at, based_on=published.number if published else None
    )


@router.delete("/projects/{project_id}/guidelines/draft", status_code=204)
def discard_draft(session: DbSession, viewer: CurrentViewer, project_id: int) -> None:
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    service.discard_draft(session, viewer_id=viewer.id, project_id=project_id)


@router.post("/projects/{project_id}/guidelines/publish", status_code=201)
def publish(session: DbSession, viewer: CurrentViewer, project_id: int, sent: PublishIn) -> GuidelineOut:
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    version = service.publish_guideline(
        session,
        viewer_id=viewer.id,
        project_id=project_id,
        seen_at=sent.updated_at,
        change_note=sent.change_note,
    )
    return _full(version)


@router.post("/projects/{project_id}/guidelines/preview")
def preview(session: DbSession, viewer: CurrentViewer, project_id: int, sent: MarkdownIn) -> HtmlOut:
    """The Markdown as readers will see it; nothing is saved."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    return HtmlOut(html=str(markdown.render(sent.body)))


@router.get("/projects/{project_id}/guidelines/{number}")
def read_version(session: DbSession, viewer: CurrentViewer, project_id: int, number: int) -> GuidelineOut:
    access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)
    return _full(_published(session, project_id, number))


def _published(session: Session, project_id: int, number: int) -> GuidelineVersion:
    version = queries.guideline_number(session, project_id, number) if 0 < number < 2**31 else None
    if version is None:
        raise NotFound
    return version


def _full(version: GuidelineVersion) -> GuidelineOut:
    fields = GuidelineSummary.model_validate(version).model_dump()
    return GuidelineOut(**fields, body=version.body, html=str(markdown.render(version.body)))
