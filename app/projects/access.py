"""A project id and a viewer become a project, or an error: 404 without a role there, 403 with too small a one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer, Viewer, has_role
from app.errors import Conflict, Forbidden, NotFound
from app.models import GuidelineVersion, Project, ProjectStatus, Role
from app.projects import queries
from app.web.request import DbSession

LARGEST_ID = 2**63 - 1
LARGEST_NUMBER = 2**31


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """A project, and as whom the viewer stands in it."""

    project: Project
    viewer: Viewer
    role: Role

    def may(self, role: Role) -> bool:
        return has_role(self.role, role)


@dataclass(frozen=True, slots=True)
class Inside:
    """What stands inside a project (the slices add what it is), and as whom the viewer stands there."""

    place: ProjectAccess

    @property
    def project(self) -> Project:
        return self.place.project

    @property
    def viewer(self) -> Viewer:
        return self.place.viewer


def access_project(session: Session, viewer: Viewer, project_id: int, *, at_least: Role) -> ProjectAccess:
    """The project with the viewer's role there, which must be `at_least`."""
    if not 0 < project_id <= LARGEST_ID:
        raise NotFound
    found = queries.project_with_role(session, project_id, viewer.id)
    if found is None:
        raise NotFound
    project, role = found
    if viewer.is_instance_admin:
        role = Role.ADMIN
    if role is None:
        raise NotFound
    if not has_role(role, at_least):
        raise Forbidden("Your role in this project does not allow this. Ask an admin of the project.")
    return ProjectAccess(project, viewer, role)


def access_guideline(session: Session, project_id: int, number: int) -> GuidelineVersion:
    """A published version of the project's guidelines, by its number."""
    version = queries.guideline_number(session, project_id, number) if 0 < number < LARGEST_NUMBER else None
    if version is None:
        raise NotFound
    return version


def require_writable(access: ProjectAccess) -> None:
    """An archived project can be read but not changed."""
    if access.project.status == ProjectStatus.ARCHIVED:
        raise Conflict("This project is archived. Restore it before changing anything.", code="project_archived")


def require_member(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectAccess:
    """Dependencies of routes: they refuse before the body is read, so that a stranger learns nothing from a 422."""
    return access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)


def require_reviewer(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectAccess:
    return access_project(session, viewer, project_id, at_least=Role.REVIEWER)


def require_project_admin(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectAccess:
    return access_project(session, viewer, project_id, at_least=Role.ADMIN)


def require_writable_project(access: Annotated[ProjectAccess, Depends(require_project_admin)]) -> ProjectAccess:
    require_writable(access)
    return access


ProjectMember = Annotated[ProjectAccess, Depends(require_member)]
ProjectReviewer = Annotated[ProjectAccess, Depends(require_reviewer)]
ProjectAdmin = Annotated[ProjectAccess, Depends(require_project_admin)]
WritableProject = Annotated[ProjectAccess, Depends(require_writable_project)]
