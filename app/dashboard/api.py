"""JSON routes over several slices: the overview of a project, the audit trail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from app.accounts.access import CurrentViewer, InstanceAdmin
from app.dashboard import deeds, queries, service
from app.dashboard.own_work import OwnWork, own_work
from app.dashboard.schemas import (
    AuditEventOut,
    AuditPage,
    AuditParameters,
    OverviewOut,
    OwnWorkList,
    OwnWorkOut,
    PaceOut,
    ShareOut,
    TaskNumbersOut,
    VoteNumbersOut,
)
from app.projects.access import ProjectAdmin, ProjectReviewer
from app.web.request import DbSession

router = APIRouter(tags=["overview"])


@router.get("/me/work", tags=["account"])
def read_own_work(session: DbSession, viewer: CurrentViewer) -> OwnWorkList:
    """Your own work in the newest of your projects: what waits, or why nothing does, and your numbers."""
    cards = service.project_cards(session, viewer).cards
    own = own_work(session, viewer, cards)
    return OwnWorkList(items=[_own(card, own[card.project.id]) for card in cards])


def _own(card: service.ProjectCard, own: OwnWork) -> OwnWorkOut:
    return OwnWorkOut(
        project_id=card.project.id,
        n_waiting=card.mine.n_waiting if card.has_work else 0,
        has_open_lease=card.mine.has_open_lease,
        nothing=own.nothing.value if own.nothing is not None else None,
        n_today=own.n_today,
        n_total=own.n_total,
        active_minutes=own.active_minutes,
        idle_minutes=own.idle_minutes,
        pace=PaceOut.model_validate(own.pace),
        consistency=ShareOut.model_validate(own.consistency) if own.consistency is not None else None,
        n_questions=own.n_questions,
    )


@router.get("/projects/{project_id}/overview")
def read_overview(session: DbSession, access: ProjectReviewer) -> OverviewOut:
    found = service.overview(session, access.project)
    return OverviewOut(
        tasks=TaskNumbersOut.model_validate(found.tasks),
        votes=VoteNumbersOut.model_validate(found.votes),
        overlap=found.policy.overlap,
        guideline_version=found.guideline.number if found.guideline else None,
    )


@router.get("/projects/{project_id}/audit", tags=["audit"])
def read_project_trail(
    session: DbSession, access: ProjectAdmin, wanted: Annotated[AuditParameters, Query()]
) -> AuditPage:
    """The project's audit trail, newest first."""
    return _trail(session, access.project.id, wanted)


@router.get("/audit", tags=["audit"])
def read_instance_trail(
    session: DbSession, _viewer: InstanceAdmin, wanted: Annotated[AuditParameters, Query()]
) -> AuditPage:
    """The audit trail of the whole installation, newest first."""
    return _trail(session, None, wanted)


def _trail(session: Session, project_id: int | None, wanted: AuditParameters) -> AuditPage:
    rows = queries.audit_rows(
        session,
        queries.AuditFilter(
            project_id=project_id,
            actions=(wanted.action,) if wanted.action else (),
            actor_id=wanted.actor,
            since=wanted.since,
            until=wanted.until,
            before=wanted.cursor,
        ),
        limit=wanted.limit + 1,
    )
    shown = rows[: wanted.limit]
    return AuditPage(
        items=[_event(row) for row in shown],
        next_cursor=str(shown[-1].event.id) if len(rows) > wanted.limit else None,
    )


def _event(row: queries.AuditRow) -> AuditEventOut:
    event = row.event
    return AuditEventOut(
        id=event.id,
        at=event.at,
        actor=deeds.actor(row) if event.actor_id is not None else None,
        actor_id=event.actor_id,
        via=event.via,
        action=event.action,
        sentence=deeds.sentence(row),
        project_id=event.project_id,
        target_type=event.target_type,
        target_id=event.target_id,
        detail=event.detail,
        request_id=event.request_id,
    )
