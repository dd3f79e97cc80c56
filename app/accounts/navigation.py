"""The side bar on pages that belong to no project, and the items that every side bar is made of."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts.access import Viewer
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class NavItem:
    key: str
    label: str
    url: str
    icon: str
    is_active: bool
    count: int = 0


def home_nav(viewer: Viewer, active: str) -> list[NavItem]:
    """Outside any project: home, and for instance admins what concerns the whole installation."""
    rooms = [("home", _("Home"), "/", "overview", False), ("projects", _("Projects"), "/projects", "folder", False)]
    rooms += [("people", _("People"), "/people", "people", True), ("audit", _("Audit trail"), "/audit", "audit", True)]
    return [
        NavItem(key, label, url, icon, key == active)
        for key, label, url, icon, is_for_admins in rooms
        if viewer.is_instance_admin or not is_for_admins
    ]
