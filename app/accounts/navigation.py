"""The side bar on pages that belong to no project."""

from __future__ import annotations

from app.accounts.access import Viewer
from app.web.i18n import gettext as _


def instance_nav(viewer: Viewer, active: str) -> list[dict[str, object]]:
    """Rooms of the installation, as the studio's frame shows them; `active` is the key of the page."""
    rooms = [
        ("inbox", _("Inbox"), "/inbox", "inbox", False),
        ("account", _("Account"), "/account", "account", False),
        ("people", _("People"), "/people", "people", True),
        ("consent", _("Consent text"), "/people/consent", "file-text", True),
        ("audit", _("Audit trail"), "/audit", "audit", True),
    ]
    return [
        {"key": key, "label": label, "url": url, "icon": icon, "is_active": key == active}
        for key, label, url, icon, is_for_admins in rooms
        if viewer.is_instance_admin or not is_for_admins
    ]
