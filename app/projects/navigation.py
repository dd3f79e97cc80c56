"""The studio's side bar: only rooms that exist, only those the viewer may enter."""

from __future__ import annotations

from app.accounts.navigation import NavItem
from app.models import Role
from app.projects.access import ProjectAccess
from app.web.i18n import gettext as _


def studio_nav(access: ProjectAccess, active: str, counts: dict[str, int] | None = None) -> list[NavItem]:
    """Items in the order of the design; `active` is the key of the page being shown, `counts` what waits behind one."""
    base = f"/projects/{access.project.id}"
    rooms = [
        ("overview", _("Overview"), base, "overview", Role.REVIEWER),
        ("tasks", _("Tasks"), f"{base}/tasks", "tasks", Role.REVIEWER),
        ("guidelines", _("Guidelines"), f"{base}/guidelines", "guidelines", Role.ANNOTATOR),
        ("people", _("People"), f"{base}/people", "people", Role.ADMIN),
        ("import", _("Import"), f"{base}/import", "import", Role.ADMIN),
        ("quality", _("Quality"), f"{base}/agreement", "quality", Role.REVIEWER),
        ("data", _("Data"), f"{base}/datasets", "data", Role.REVIEWER),
        ("training", _("Training"), f"{base}/training", "training", Role.REVIEWER),
        ("jobs", _("Jobs"), f"{base}/jobs", "jobs", Role.ADMIN),
        ("audit", _("Audit trail"), f"{base}/audit", "audit", Role.ADMIN),
        ("settings", _("Settings"), f"{base}/settings", "settings", Role.ADMIN),
    ]
    return [
        NavItem(key, label, url, icon, key == active, (counts or {}).get(key, 0))
        for key, label, url, icon, role in rooms
        if access.may(role)
    ]
