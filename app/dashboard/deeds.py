"""What stands on the audit trail, as sentences that a person can read, and in groups to filter by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.dashboard.queries import AuditRow
from app.models import AuditEvent
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class Deed:
    """One kind of event: the group it is filtered by, and its sentence with %(actor)s and names of the detail."""

    group: str
    sentence: str


def groups() -> dict[str, str]:
    """Labels of the groups, in the order of the filter."""
    return {
        "project": _("Project and guidelines"),
        "data": _("Data and jobs"),
        "people": _("People"),
        "sign_in": _("Sign-in and accounts"),
        "judging": _("Judging"),
    }


def deeds() -> dict[str, Deed]:
    """Every action that the program records, in the reader's language; a test holds this against the source."""
    return {
        "project.create": Deed("project", _("%(actor)s created the project")),
        "project.change": Deed("project", _("%(actor)s changed the project’s details")),
        "project.pause": Deed("project", _("%(actor)s paused the project")),
        "project.resume": Deed("project", _("%(actor)s resumed the project")),
        "project.archive": Deed("project", _("%(actor)s archived the project")),
        "project.restore": Deed("project", _("%(actor)s restored the project")),
        "policy.change": Deed("project", _("%(actor)s changed the terms of work (version %(number)s)")),
        "schema.change": Deed("project", _("%(actor)s changed the choices (version %(number)s)")),
        "guideline.start_draft": Deed("project", _("%(actor)s started a draft of the guidelines")),
        "guideline.discard_draft": Deed("project", _("%(actor)s threw the draft of the guidelines away")),
        "guideline.publish": Deed("project", _("%(actor)s published version %(number)s of the guidelines")),
        "sample.fill": Deed("data", _("%(actor)s asked for simulated annotators")),
    }


def sentence(row: AuditRow) -> str:
    """Who did what. An action without a sentence of its own is named as it is stored."""
    known = deeds().get(row.event.action)
    if known is None:
        return _("%(actor)s: %(action)s") % {"actor": actor(row), "action": row.event.action}
    return known.sentence % _Detail(row.event.detail, actor(row))


class _Detail(dict[str, Any]):
    """What a sentence may name; what an older event does not say reads as a dash."""

    def __init__(self, detail: Mapping[str, Any], actor_name: str) -> None:
        super().__init__({**detail, "actor": actor_name})

    def __missing__(self, name: str) -> str:
        return "–"


def actor(row: AuditRow) -> str:
    """Names are for staff; everybody else is known by pseudonym, and nobody at all is the system."""
    if row.event.actor_id is None:
        return _("The command line") if row.event.via == "command" else _("The system")
    if row.is_staff and row.actor_name:
        return row.actor_name
    return row.actor_pseudonym or _("Somebody")


def link(event: AuditEvent) -> str | None:
    """The page of the thing that the deed was done to, where it has one."""
    inside = f"/projects/{event.project_id}"
    if event.project_id is None or not event.target_id:
        return None
    if event.target_type == "task":
        return f"{inside}/tasks/{event.target_id}"
    if event.target_type == "job":
        return f"/jobs/{event.target_id}"
    if event.action == "guideline.publish" and "number" in event.detail:
        return f"{inside}/guidelines/versions/{event.detail['number']}"
    return None


def actions_of(chosen: str) -> tuple[str, ...]:
    """The actions behind a choice of the filter: one action, or all of a group. Nothing chosen is everything."""
    if chosen.startswith("group:"):
        return tuple(action for action, deed in deeds().items() if f"group:{deed.group}" == chosen)
    return (chosen,) if chosen else ()
