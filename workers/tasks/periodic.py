"""The sweep: lost wake-ups, silent workers, expired leases of annotators, old counters."""

from __future__ import annotations

from app import queue
from app.database import unit_of_work
from app.web import throttle
from workers.celery_app import app


@app.task(name="accord.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    queue.reap()
    queue.sweep()


@app.task(name="accord.purge")  # type: ignore[untyped-decorator]
def purge() -> None:
    with unit_of_work() as session:
        throttle.purge(session)
