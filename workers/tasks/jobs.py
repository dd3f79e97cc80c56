"""The one task that runs jobs: claim the row, call the handler, record how it ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app import queue
from app.config import settings
from app.errors import AppError
from app.models import Job, JobState
from workers import shutdown
from workers.celery_app import app
from workers.tasks.handlers import HANDLERS

log = structlog.get_logger(__name__)


class Reporter(queue.Reporter):
    """Each report is also the moment at which a worker that was told to stop puts its work down."""

    def __call__(self, *, progress: float | None = None, phase: str | None = None, message: str | None = None) -> None:
        if shutdown.is_asked():
            raise queue.HandedBack
        super().__call__(progress=progress, phase=phase, message=message)


@app.task(name=queue.WAKE_UP_TASK)  # type: ignore[untyped-decorator]
def run_job(job_id: int) -> None:
    """A wake-up: the job runs if its row says so, and does nothing when another worker has it."""
    if shutdown.is_asked():
        return
    job = queue.claim(job_id)
    if job is None:
        return
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(via="worker", job_id=job.id, request_id=f"job-{job.id}-{job.attempt}")
    with beating(job):
        _run(job)


def _run(job: Job) -> None:
    try:
        result = HANDLERS[queue.Job(job.kind)](job, Reporter(job.id, job.attempt))
    except queue.LostLease:
        log.warning("lease_lost")
    except queue.Cancelled:
        queue.finish(job.id, job.attempt, JobState.CANCELLED)
    except queue.HandedBack:
        log.info("handed_back")
        queue.release(job.id, job.attempt)
    except AppError as error:
        queue.finish(job.id, job.attempt, JobState.FAILED, result=error.details, error=error.sentence())
    except Exception as error:
        log.exception("job_failed")
        # The error's own text may quote rows; it stays in the log.
        said = f"Something went wrong ({type(error).__name__}). The worker's log says more under job-{job.id}."
        queue.retry_later(job.id, job.attempt, said)
    else:
        queue.finish(job.id, job.attempt, JobState.SUCCEEDED, result=result)


@contextmanager
def beating(job: Job) -> Iterator[None]:
    """Renew the lease from a thread while the work runs; a lost lease is noticed by the work's own writes."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(settings().job_heartbeat_seconds):
            try:
                queue.heartbeat(job.id, job.attempt)
            except queue.LostLease:
                return
            except Exception as error:  # noqa: BLE001 - the database may be away for a moment
                log.warning("heartbeat_failed", error=str(error))

    thread = threading.Thread(target=beat, name=f"heartbeat-{job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
