"""The sweep: lost wake-ups, silent workers and expired leases of annotators; jobs by the clock, one a tick."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.signals import beat_init

from app import queue
from app.annotation import service as annotation
from app.database import unit_of_work
from workers import schedule
from workers.celery_app import app


def sweep() -> None:
    queue.reap()
    queue.sweep()
    expire_leases()


def expire_leases() -> None:
    """What annotators left on their desks goes back to the queue."""
    with unit_of_work() as session:
        annotation.expire_leases(session, now=datetime.now(UTC))


@beat_init.connect  # type: ignore[untyped-decorator]
def _sweep_beside_the_ticks(**_given: Any) -> None:
    schedule.start_sweeping(sweep)


@app.task(name=schedule.TICK_TASK)  # type: ignore[untyped-decorator]
def tick(kind: str, seconds: int) -> None:
    """What each scheduler sends at each tick; the job it asks for is the same one."""
    with unit_of_work() as session:
        queue.enqueue_tick(session, queue.Job(kind), seconds=seconds)
