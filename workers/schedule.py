"""What beat sends and when. Each tick is harmless when it comes twice, since the rows decide."""

from __future__ import annotations

from typing import Any

from app.config import settings

SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": {
        "task": "accord.sweep",
        "schedule": settings().sweep_seconds,
        "options": {"queue": "default", "expires": settings().sweep_seconds * 2},
    },
    "purge": {"task": "accord.purge", "schedule": 3600.0, "options": {"queue": "default", "expires": 3600}},
}
