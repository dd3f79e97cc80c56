"""The one task that runs jobs: claim the row, call the handler, record how it ended."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from app import queue
from app.errors import AppError
from app.models import Job, JobState
from workers import shutdown
from workers.celery_app import app
from workers.pulse import Reporter, beating
from workers.tasks.handlers import HANDLERS, NEEDS

log = structlog.get_logger(__name__)


@app.task(name=queue.WAKE_UP_TASK)  # type: ignore[untyped-decorator]
def run_job(job_id: int) -> None:
    """A wake-up: the job runs if its row says so, and does nothing when another worker has it."""
    if shutdown.is_asked():
        return
    job = queue.claim(job_id, _take_needs)
    if job is None:
        return
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(via="worker", job_id=job.id, request_id=f"job-{job.id}-{job.attempt}")
    reporter = Reporter(job.id, job.attempt)
    with beating(reporter):
        _run(job, reporter)


def _take_needs(session: Session, job: Job) -> str | None:
    take = NEEDS.get(queue.Job(job.kind))
    return take(session, job) if take is not None else None


def _run(job: Job, reporter: Reporter) -> None:
    try:
        result = HANDLERS[queue.Job(job.kind)](job, reporter)
    except queue.LostLease:
        log.warning("lease_lost")
    except queue.Cancelled:
        queue.finish(job.id, job.attempt, JobState.CANCELLED)
    except queue.HandedBack:
        log.info("handed_back")
        queue.release(job.id, job.attempt)
    except queue.TryAgain as error:
        log.warning("job_will_be_tried_again", reason=str(error))
        queue.retry_later(job.id, job.attempt, str(error))
    except AppError as error:
        queue.finish(job.id, job.attempt, JobState.FAILED, result=error.details, error=error.sentence())
    except Exception as error:
        log.exception("job_failed")
        # The error's own text may quote rows; it stays in the log.
        said = f"Something went wrong ({type(error).__name__}). The worker's log says more under job-{job.id}."
        queue.retry_later(job.id, job.attempt, said)
    else:
        queue.finish(job.id, job.attempt, JobState.SUCCEEDED, result=result)
