"""JSON routes of projects: create, read, change, and the versions of policy and answer schema."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer, InstanceAdmin
from app.errors import Invalid
from app.projects import queries, service
from app.projects.access import ProjectAdmin, ProjectMember, ProjectReviewer
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
def read_project(access: ProjectMember) -> ProjectWithRole:
    return ProjectWithRole.of(access.project, access.role)


@router.put("/projects/{project_id}")
def change_project(session: DbSession, access: ProjectAdmin, details: ProjectDetails) -> ProjectOut:
    """Replace name, question, language and time zone."""
    project = service.update_details(
        session, viewer_id=access.viewer.id, project_id=access.project.id, **details.model_dump()
    )
    return ProjectOut.model_validate(project)


@router.get("/projects/{project_id}/policy")
def read_policy(session: DbSession, access: ProjectReviewer) -> PolicyOut:
    return _policy(session, access.project.id)


@router.put("/projects/{project_id}/policy")
def change_policy(session: DbSession, access: ProjectAdmin, policy: Policy) -> PolicyOut:
    """A policy that says anything new becomes the next version; open work takes its overlap at once."""
    service.change_policy(session, viewer_id=access.viewer.id, project_id=access.project.id, policy=policy)
    return _policy(session, access.project.id)


def _policy(session: Session, project_id: int) -> PolicyOut:
    version = queries.newest_policy(session, project_id)
    return PolicyOut(version_id=version.id, number=version.number, policy=Policy.model_validate(version.definition))


@router.get("/projects/{project_id}/schema")
def read_schema(session: DbSession, access: ProjectMember) -> SchemaOut:
    """What may be answered; annotators' own programs need it too."""
    return _schema(session, access.project.id)


@router.put("/projects/{project_id}/schema")
def change_schema(session: DbSession, access: ProjectAdmin, answer_schema: AnswerSchema) -> SchemaOut:
    service.change_schema(session, viewer_id=access.viewer.id, project_id=access.project.id, schema=answer_schema)
    return _schema(session, access.project.id)


def _schema(session: Session, project_id: int) -> SchemaOut:
    version = queries.newest_schema(session, project_id)
    return SchemaOut(
        version_id=version.id, number=version.number, answer_schema=AnswerSchema.model_validate(version.definition)
    )


@router.post("/projects/{project_id}/pause")
def pause(session: DbSession, access: ProjectAdmin) -> ProjectOut:
    """Hand out nothing new; what is on desks may be finished."""
    return ProjectOut.model_validate(service.pause(session, viewer_id=access.viewer.id, project_id=access.project.id))


@router.post("/projects/{project_id}/resume")
def resume(session: DbSession, access: ProjectAdmin) -> ProjectOut:
    return ProjectOut.model_validate(service.resume(session, viewer_id=access.viewer.id, project_id=access.project.id))


@router.post("/projects/{project_id}/archive")
def archive(session: DbSession, access: ProjectAdmin) -> ProjectOut:
    return ProjectOut.model_validate(service.archive(session, viewer_id=access.viewer.id, project_id=access.project.id))


@router.post("/projects/{project_id}/restore")
def restore(session: DbSession, access: ProjectAdmin) -> ProjectOut:
    """An archived project comes back paused."""
    return ProjectOut.model_validate(service.restore(session, viewer_id=access.viewer.id, project_id=access.project.id))
