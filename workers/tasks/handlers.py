"""Which service does which kind of job. Every member of app.queue.Job stands here; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.accounts.service import mail
from app.annotation import simulation
from app.database import JSON, unit_of_work
from app.datasets import service as datasets
from app.exchange import uploads
from app.models import Job as JobRow
from app.queue import Job
from app.training import evaluations
from app.web import throttle
from workers.pulse import Reporter
from workers.tasks import training


def import_tasks(job: JobRow, reporter: Reporter) -> JSON:
    with unit_of_work() as session:
        result = uploads.run_import(session, job, reporter)
        reporter.fence(session)
    return result


def preview_import(job: JobRow, reporter: Reporter) -> JSON:
    with unit_of_work() as session:
        return uploads.run_preview(session, job, reporter)


def purge(_job: JobRow, _reporter: Reporter) -> None:
    with unit_of_work() as session:
        throttle.purge(session)
        uploads.purge_uploads(session)
        evaluations.purge_uploads(session)


Handler = Callable[[JobRow, Reporter], JSON | None]

HANDLERS: dict[Job, Handler] = {
    Job.FREEZE_DATASET: datasets.run,
    Job.IMPORT_TASKS: import_tasks,
    Job.PREVIEW_IMPORT: preview_import,
    Job.PURGE: purge,
    Job.SEND_MAIL: mail.deliver,
    Job.SIMULATE_ANNOTATORS: simulation.run,
    Job.TRAIN: training.train,
    Job.EVALUATE: training.evaluate,
    Job.VERIFY_DATASET: datasets.run_verify,
}

# What an attempt takes before it begins; a phase as the answer means that the job waits for it.
NEEDS: dict[Job, Callable[[Session, JobRow], str | None]] = {
    Job.EVALUATE: training.take_device,
    Job.TRAIN: training.take_device,
}
