"""The audit trail to read: of one project for its admins, of everything for instance admins."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.accounts.access import InstanceAdmin
from app.accounts.navigation import NavItem, home_nav
from app.dashboard import deeds, queries
from app.dashboard.schemas import AuditQuery
from app.projects.access import ProjectAccess, ProjectAdmin
from app.projects.navigation import studio_nav
from app.web.forms import Errors, parse_form
from app.web.render import render
from app.web.request import DbSession

router = APIRouter()
ROWS = 50


@router.get("/audit")
def show_instance_trail(request: Request, session: DbSession, viewer: InstanceAdmin) -> Response:
    return _trail(request, session, None, home_nav(viewer, "audit"))


@router.get("/projects/{project_id}/audit")
def show_project_trail(request: Request, session: DbSession, access: ProjectAdmin) -> Response:
    return _trail(request, session, access, studio_nav(access, "audit"))


def _trail(request: Request, session: Session, access: ProjectAccess | None, nav: list[NavItem]) -> Response:
    """A page of events; what the address asks for stays in the filter, and a wrong value gets a sentence there."""
    project = access.project if access is not None else None
    asked = {name: value for name, value in request.query_params.items() if value}
    wanted, errors = parse_form(AuditQuery, asked)
    zone = project.timezone if project is not None else "UTC"
    rows: list[queries.AuditRow] = []
    if wanted is not None:
        rows = queries.audit_rows(session, _filter(wanted, project.id if project else None, zone), limit=ROWS + 1)
    shown = rows[:ROWS]
    address = request.url.path
    context = {
        "project": project,
        "nav": nav,
        "address": address,
        "values": {name: asked.get(name, "") for name in AuditQuery.model_fields},
        "errors": Errors(errors),
        "events": [_event(row) for row in shown],
        "actions": _action_choices(),
        "actors": _actor_choices(session, project.id if project else None, wanted, shown),
        "zone": zone,
        "is_filtered": any(name in asked for name in ("action", "actor", "since", "until")),
        "newest_url": _address(address, asked, cursor=None) if "cursor" in asked else None,
        "older_url": _address(address, asked, cursor=shown[-1].event.id) if len(rows) > ROWS else None,
        "actor_url": lambda actor_id: _address(address, asked, cursor=None, actor=actor_id),
    }
    return render(request, "dashboard/audit.html", context, status=422 if errors else 200)


def _filter(wanted: AuditQuery, project_id: int | None, zone: str) -> queries.AuditFilter:
    """Days are days of the project; the last one is shown to its end."""

    def midnight(day: Any) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(zone))

    return queries.AuditFilter(
        project_id=project_id,
        actions=deeds.actions_of(wanted.action),
        actor_id=wanted.actor,
        since=midnight(wanted.since) if wanted.since else None,
        until=midnight(wanted.until + timedelta(days=1)) if wanted.until else None,
        before=wanted.cursor,
    )


def _event(row: queries.AuditRow) -> dict[str, Any]:
    return {
        "id": row.event.id,
        "at": row.event.at,
        "actor": deeds.actor(row),
        "actor_id": row.event.actor_id,
        "sentence": deeds.sentence(row),
        "action": row.event.action,
        "via": row.event.via,
        "request_id": row.event.request_id,
        "link": deeds.link(row.event),
        "project_id": row.event.project_id,
        "project_name": row.project_name,
        "target": f"{row.event.target_type} {row.event.target_id}".strip(),
        "detail": row.event.detail,
    }


def _action_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """(group label, [(value, label), ...]); the first of each group stands for all of it."""
    known = deeds.deeds()
    return [
        (
            label,
            [
                (f"group:{key}", label),
                *((action, deeds.label(deed)) for action, deed in known.items() if deed.group == key),
            ],
        )
        for key, label in deeds.groups().items()
    ]


def _actor_choices(
    session: Session, project_id: int | None, wanted: AuditQuery | None, shown: list[queries.AuditRow]
) -> list[tuple[int, str]]:
    """Staff by name; somebody else who was chosen from the list is added under the name they have there."""
    choices = queries.staff(session, project_id)
    chosen = wanted.actor if wanted is not None else None
    if chosen is not None and all(chosen != user_id for user_id, _name in choices):
        choices.insert(0, (chosen, deeds.actor(shown[0]) if shown else f"#{chosen}"))
    return choices


def _address(path: str, asked: dict[str, str], *, cursor: int | None, **changed: Any) -> str:
    kept = {name: value for name, value in asked.items() if name in AuditQuery.model_fields and name != "cursor"}
    query = urlencode({**kept, **changed, **({"cursor": cursor} if cursor else {})})
    return f"{path}?{query}" if query else path
