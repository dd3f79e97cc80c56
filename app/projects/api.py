"""JSON routes of projects: create, read, change, and the versions of policy and answer schema."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer, InstanceAdmin
from app.errors import Invalid
from app.models import Role
from app.projects import queries, service
from app.projects.access import access_project
from app.projects.definitions import AnswerSchema, Policy
from app.projects.schemas import (
    NewProject,
    PolicyOut,
    ProjectDetails,
    ProjectOut,
    ProjectPage,
    ProjectWithRole,
    SchemaOut,
)
from app.web.request import DbSession

router = APIRouter(tags=["projects"])
PAGE = 50


@router.get("/projects")
def list_projects(
    session: DbSession,
    viewer: CurrentViewer,
    cursor: Annotated[str, Query(max_length=20)] = "",
    archived: bool | None = None,
) -> ProjectPage:
    """The projects that the caller has a role in, newest first."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("This cursor is not one that this list gave out.", field="cursor")
    found = queries.projects_of(
        session,
        viewer_id=viewer.id,
        sees_all=viewer.is_instance_admin,
        before=int(cursor) if cursor else None,
        limit=PAGE + 1,
        is_archived=archived,
    )
    shown = found[:PAGE]
    return ProjectPage(
        items=[ProjectWithRole.of(project, role) for project, role in shown],
        next_cursor=str(shown[-1][0].id) if len(found) > PAGE else None,
    )


@router.post("/projects", status_code=201)
def create_project(session: DbSession, viewer: InstanceAdmin, wanted: NewProject) -> ProjectOut:
    project = service.create_project(
        session,
        viewer_id=viewer.id,
        **wanted.model_dump(include=set(ProjectDetails.model_fields)),
        policy=wanted.policy,
        schema=wanted.answer_schema,
        guidelines=wanted.guidelines,
    )
    session.refresh(project)
    return ProjectOut.model_validate(project)


@router.get("/projects/{project_id}")
def read_project(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectWithRole:
    access = access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)
    return ProjectWithRole.of(access.project, access.role)


@router.put("/projects/{project_id}")
def change_project(
    session: DbSession, viewer: CurrentViewer, project_id: int, details: ProjectDetails
) -> ProjectOut:
    """Replace name, question, language and time zone."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    project = service.update_details(session, viewer_id=viewer.id, project_id=project_id, **details.model_dump())
    return ProjectOut.model_validate(project)


@router.get("/projects/{project_id}/policy")
def read_policy(session: DbSession, viewer: CurrentViewer, project_id: int) -> PolicyOut:
    access_project(session, viewer, project_id, at_least=Role.REVIEWER)
    return _policy(session, project_id)


@router.put("/projects/{project_id}/policy")
def change_policy(session: DbSession, viewer: CurrentViewer, project_id: int, policy: Policy) -> PolicyOut:
    """A policy that says anything new becomes the next version; open work takes its overlap at once."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    service.change_policy(session, viewer_id=viewer.id, project_id=project_id, policy=policy)
    return _policy(session, project_id)


def _policy(session: Session, project_id: int) -> PolicyOut:
    version = queries.newest_policy(session, project_id)
    return PolicyOut(version_id=version.id, number=version.number, policy=Policy.model_validate(version.definition))


@router.get("/projects/{project_id}/schema")
def read_schema(session: DbSession, viewer: CurrentViewer, project_id: int) -> SchemaOut:
    """What may be answered; annotators' own programs need it too."""
    access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)
    return _schema(session, project_id)


@router.put("/projects/{project_id}/schema")
def change_schema(session: DbSession, viewer: CurrentViewer, project_id: int, answer_schema: AnswerSchema) -> SchemaOut:
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    service.change_schema(session, viewer_id=viewer.id, project_id=project_id, schema=answer_schema)
    return _schema(session, project_id)


def _schema(session: Session, project_id: int) -> SchemaOut:
    version = queries.newest_schema(session, project_id)
    return SchemaOut(
        version_id=version.id, number=version.number, answer_schema=AnswerSchema.model_validate(version.definition)
    )


@router.post("/projects/{project_id}/pause")
def pause(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectOut:
    """Hand out nothing new; what is on desks may be finished."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    return ProjectOut.model_validate(service.pause(session, viewer_id=viewer.id, project_id=project_id))


@router.post("/projects/{project_id}/resume")
def resume(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectOut:
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    return ProjectOut.model_validate(service.resume(session, viewer_id=viewer.id, project_id=project_id))


@router.post("/projects/{project_id}/archive")
def archive(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectOut:
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    return ProjectOut.model_validate(service.archive(session, viewer_id=viewer.id, project_id=project_id))


@router.post("/projects/{project_id}/restore")
def restore(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectOut:
    """An archived project comes back paused."""
    access_project(session, viewer, project_id, at_least=Role.ADMIN)
    return ProjectOut.model_validate(service.restore(session, viewer_id=viewer.id, project_id=project_id))
