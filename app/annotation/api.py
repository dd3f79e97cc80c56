"""The desk for programs: the same deeds over the same services as the pages."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer
from app.annotation import queries, service, views
from app.annotation.access import AssignmentAccess, access_assignment
from app.annotation.handing_out import Nothing, next_assignment
from app.annotation.schemas import AnnotationOut, HistoryOut, Judgement, LeaseOut, NextOut, Revision, Skip
from app.models import Role
from app.projects.access import ProjectAccess, access_project, require_writable
from app.web.request import DbSession

router = APIRouter(tags=["annotation"])

DICE = random.SystemRandom()


def member(session: DbSession, viewer: CurrentViewer, project_id: int) -> ProjectAccess:
    return access_project(session, viewer, project_id, at_least=Role.ANNOTATOR)


def own_locked(session: DbSession, viewer: CurrentViewer, public_id: UUID) -> AssignmentAccess:
    return access_assignment(session, viewer, None, public_id)


Member = Annotated[ProjectAccess, Depends(member)]
OwnLocked = Annotated[AssignmentAccess, Depends(own_locked)]
IdempotencyKey = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[\x21-\x7e]*$"),
    Header(
        description="Sent again with the same key, a judgement is taken once; with another answer it is refused (409)."
    ),
]


@router.post("/projects/{project_id}/next")
def post_next(
    session: DbSession, access: Member, response: Response, ahead: Annotated[int, Query(ge=0, le=4)] = 0
) -> NextOut:
    """The task on one's desk: the one that is there already, or the next of the queue.

    `ahead` asks for the task after so many others, as far as the project's policy lets a program hold tasks ahead.
    """
    now = datetime.now(UTC)
    found = next_assignment(
        session,
        project_id=access.project.id,
        annotator_id=access.viewer.annotator_id,
        dice=DICE,
        now=now,
        ahead=ahead,
    )
    if isinstance(found, Nothing):
        if found == Nothing.BUSY:
            response.headers["Retry-After"] = "1"
        return views.next_out(found, _progress(session, access, now))
    shown = views.serving(session, found, access.project, now=now)
    return views.next_out(shown, shown.progress)


@router.post("/assignments/{public_id}/annotation")
def post_annotation(
    session: DbSession, access: OwnLocked, judgement: Judgement, idempotency_key: IdempotencyKey = ""
) -> AnnotationOut:
    """Judge a task. Without a key the assignment itself is the key: it takes one first judgement."""
    require_writable(access.project)
    taken = service.submit_annotation(
        session,
        row=access.row,
        judgement=judgement,
        idempotency_key=idempotency_key,
        actor_id=access.project.viewer.id,
        now=datetime.now(UTC),
    )
    return views.annotation_out(taken.annotation, access.row.assignment, access.row.shown_ids)


@router.patch("/assignments/{public_id}/annotation")
def patch_annotation(
    session: DbSession, access: OwnLocked, revision: Revision, idempotency_key: IdempotencyKey = ""
) -> AnnotationOut:
    """Change an own judgement: a revision is appended, the earlier ones are kept."""
    require_writable(access.project)
    taken = service.revise_annotation(
        session,
        row=access.row,
        judgement=revision,
        revision=revision.revision,
        idempotency_key=idempotency_key,
        actor_id=access.project.viewer.id,
        now=datetime.now(UTC),
    )
    return views.annotation_out(taken.annotation, access.row.assignment, access.row.shown_ids)


@router.post("/assignments/{public_id}/skip")
def post_skip(session: DbSession, access: OwnLocked, skip: Skip) -> LeaseOut:
    """Put a task aside for good, with a reason."""
    require_writable(access.project)
    service.skip_assignment(
        session, row=access.row, skip=skip, actor_id=access.project.viewer.id, now=datetime.now(UTC)
    )
    return _lease(session, access)


@router.post("/assignments/{public_id}/heartbeat")
def post_heartbeat(session: DbSession, access: OwnLocked) -> LeaseOut:
    """Keep the lease while at work on it; 409 once it has ended."""
    service.keep_lease(session, row=access.row, now=datetime.now(UTC))
    return _lease(session, access)


@router.post("/assignments/{public_id}/return")
def post_return(session: DbSession, access: OwnLocked) -> LeaseOut:
    """Give the task back to the queue; it may come again."""
    service.return_assignment(session, row=access.row, actor_id=access.project.viewer.id, now=datetime.now(UTC))
    return _lease(session, access)


@router.get("/projects/{project_id}/annotations/mine")
def get_history(
    session: DbSession,
    access: Member,
    cursor: int | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> HistoryOut:
    """Own judgements, newest first, each with its newest revision."""
    entries, following = views.history_entries(
        session,
        project_id=access.project.id,
        annotator_id=access.viewer.annotator_id,
        before_id=cursor,
        limit=limit,
        now=datetime.now(UTC),
    )
    return HistoryOut(items=entries, next_cursor=following)


def _progress(session: Session, access: ProjectAccess, now: datetime) -> tuple[int, int]:
    return queries.progress(
        session,
        project_id=access.project.id,
        annotator_id=access.viewer.annotator_id,
        day_start=views.day_start(access.project, now),
    )


def _lease(session: Session, access: AssignmentAccess) -> LeaseOut:
    session.refresh(access.row.assignment)
    assignment = access.row.assignment
    return LeaseOut(public_id=assignment.public_id, state=assignment.state.value, expires_at=assignment.expires_at)
