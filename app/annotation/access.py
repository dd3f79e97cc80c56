"""An assignment's public id and a viewer become the assignment, one condition a line; anything else is 404."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts.access import Viewer
from app.annotation import queries
from app.annotation.queries import AssignmentRow
from app.errors import NotFound
from app.models import Role
from app.projects.access import ProjectAccess, access_project


@dataclass(frozen=True, slots=True)
class AssignmentAccess:
    """An own assignment with its task, and the project it belongs to."""

    row: AssignmentRow
    project: ProjectAccess


def access_assignment(
    session: Session, viewer: Viewer, project_id: int | None, public_id: UUID, *, lock: bool = True
) -> AssignmentAccess:
    """The viewer's own assignment; with `lock` the annotator, the assignment and its task stay locked until the end.

    `project_id` None takes the assignment's own project (the JSON API names none).
    """
    project = access_project(session, viewer, project_id, at_least=Role.ANNOTATOR) if project_id is not None else None
    if lock:
        queries.lock_annotator(session, viewer.annotator_id)
    row = queries.assignment_row(session, public_id, lock=lock)
    if row is None:
        raise NotFound
    if row.assignment.annotator_id != viewer.annotator_id:
        raise NotFound
    if project is None:
        project = access_project(session, viewer, row.assignment.project_id, at_least=Role.ANNOTATOR)
    if row.assignment.project_id != project.project.id:
        raise NotFound
    return AssignmentAccess(row, project)
