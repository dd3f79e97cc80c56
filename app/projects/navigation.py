"""The studio's side bar for one project: only rooms that exist, only those the role may enter."""

from __future__ import annotations

from dataclasses import dataclass

from app.models import Role
from app.projects.access import ProjectAccess
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class NavItem:
    key: str
    label: str
    url: str
    icon: str
    is_active: bool


def studio_nav(access: ProjectAccess, active: str) -> list[NavItem]:
    """Items in the order of the design; `active` is the key of the page being shown."""
    base = f"/projects/{access.project.id}"
    rooms = [
        ("overview", _("Overview"), base, "overview", Role.REVIEWER),
        ("tasks", _("Tasks"), f"{base}/tasks", "tasks", Role.REVIEWER),
        ("guidelines", _("Guidelines"), f"{base}/guidelines", "guidelines", Role.ANNOTATOR),
        ("people", _("People"), f"{base}/people", "people", Role.ADMIN),
        ("import", _("Import"), f"{base}/import", "import", Role.ADMIN),
        ("jobs", _("Jobs"), f"{base}/jobs", "jobs", Role.ADMIN),
        ("audit", _("Audit trail"), f"{base}/audit", "audit", Role.ADMIN),
        ("settings", _("Settings"), f"{base}/settings", "settings", Role.ADMIN),
    ]
    return [NavItem(key, label, url, icon, key == active) for key, label, url, icon, role in rooms if access.may(role)]
