"""Data set versions as the forms of training name them."""

from __future__ import annotations

from app.models import DatasetVersion
from app.web.filters import format_number
from app.web.i18n import gettext as _


def version_label(version: DatasetVersion) -> str:
    splits = (version.manifest or {}).get("counts", {}).get("splits", {})
    if not splits:
        return _("Version %(number)d") % {"number": version.number}
    return _("Version %(number)d: %(train)s pairs to train on, %(held_out)s held out") % {
        "number": version.number,
        "train": format_number(splits["train"]["rows"]),
        "held_out": format_number(splits["held_out"]["rows"]),
    }
