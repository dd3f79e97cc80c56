"""What beat does and when. A tick that comes twice, from two schedulers, gives one job, since the rows decide.

The sweep runs in beat's own process: as a task it would wait behind the very jobs whose workers it watches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog

from app.config import settings
from app.queue import Job

log = structlog.get_logger(__name__)

TICK_TASK = "accord.tick"
HOUR = 3600


def every(kind: Job, seconds: int) -> dict[str, Any]:
    options = {"queue": "default", "expires": seconds}
    return {"task": TICK_TASK, "args": [str(kind), seconds], "schedule": float(seconds), "options": options}


SCHEDULE: dict[str, dict[str, Any]] = {
    "purge": every(Job.PURGE, HOUR),
}


def start_sweeping(sweep: Callable[[], object]) -> threading.Thread:
    """Call `sweep` every few seconds in a thread that ends with the process."""
    thread = threading.Thread(target=_sweep_forever, args=[sweep], name="sweep", daemon=True)
    thread.start()
    return thread


def _sweep_forever(sweep: Callable[[], object]) -> None:
    pause = threading.Event()
    while True:
        try:
            sweep()
        except Exception as error:  # noqa: BLE001 - a database that is away comes back; the sweep must be there then
            log.warning("sweep_failed", error=str(error))
        pause.wait(settings().sweep_seconds)
