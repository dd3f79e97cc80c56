"""The Celery application of the worker processes: `celery -A workers.celery_app worker`."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from app.database import engine
from app.queue import broker
from app.web.observability import configure_logging
from workers import schedule, shutdown

app = broker()
app.conf.update(
    imports=("workers.tasks.jobs", "workers.tasks.periodic"),
    beat_schedule=schedule.SCHEDULE,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_max_retries=None,
)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log_as_the_web_does(**_given: Any) -> None:
    configure_logging()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin_child(**_given: Any) -> None:
    """A forked child must not share the parent's sockets, nor outlive it."""
    shutdown.die_with_parent()
    engine().dispose(close=False)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _put_work_down(**_given: Any) -> None:
    shutdown.ask()
