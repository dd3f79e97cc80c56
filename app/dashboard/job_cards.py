"""A job for people: who may see it, what it is called, how far it is, and how to stop it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app import audit, queue
from app.accounts.access import Viewer, has_role, role_in_project
from app.datasets import labels as dataset_labels
from app.errors import NotFound
from app.models import Job, JobState, Role
from app.training import evaluation_results, results
from app.web.i18n import gettext as _

DATASET_KINDS = (queue.Job.FREEZE_DATASET, queue.Job.VERIFY_DATASET)


def access_job(session: Session, viewer: Viewer, job_id: int) -> Job:
    """The job, for its creator and the admins of its project; jobs of no project are the instance admins'."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound
    if job.created_by_id == viewer.id or viewer.is_instance_admin:
        return job
    role = role_in_project(session, viewer, job.project_id) if job.project_id is not None else None
    if role is None or not has_role(role, Role.ADMIN):
        raise NotFound
    return job


def cancel_job(session: Session, viewer: Viewer, job: Job) -> Job:
    """Ask the job to stop; what is still waiting ends at once. Raises Conflict when it has ended."""
    cancelled = queue.request_cancel(session, job.id)
    audit.record(session, "job.cancelled", actor_id=viewer.id, project_id=job.project_id, target=job, kind=job.kind)
    return cancelled


def card(job: Job, place: tuple[int, int] | None = None) -> dict[str, Any]:
    """What the macro job_card takes. `place`: how many run and how many wait before it, of a job that waits."""
    done, total = _progress(job)
    state = "cancelling" if job.state == JobState.RUNNING and job.cancel_requested_at else job.state.value
    return {
        "id": job.id,
        "state": state,
        "url": f"/jobs/{job.id}/card",
        "phase": _phase(job, place),
        "done": done,
        "total": total,
        "remaining": int(job.message) if job.kind == queue.Job.TRAIN and job.message.isdecimal() else None,
        "error": job.error if job.state == JobState.FAILED else None,
        "cancel_url": f"/jobs/{job.id}/cancel",
        "started_at": job.created_at,
    }


def title(job: Job) -> str:
    named = {
        "filename": str(job.payload.get("filename", "")),
        "name": str(job.payload.get("name", _("a model"))),
        "number": str(job.payload.get("number", "")),
    }
    titles = {
        queue.Job.IMPORT_TASKS: _("Import of %(filename)s"),
        queue.Job.PREVIEW_IMPORT: _("Preview of %(filename)s"),
        queue.Job.SIMULATE_ANNOTATORS: _("Simulated annotators"),
        queue.Job.SEND_MAIL: _("Mail"),
        queue.Job.PURGE: _("Clearing away of old counters and uploads"),
        queue.Job.TRAIN: _("Training of %(name)s"),
        queue.Job.EVALUATE: _("Evaluation of %(name)s"),
        queue.Job.FREEZE_DATASET: _("Freezing of data set %(number)s"),
        queue.Job.VERIFY_DATASET: _("Check of data set %(number)s"),
    }
    return titles.get(queue.Job(job.kind), job.kind) % named


def _phase(job: Job, place: tuple[int, int] | None) -> str | None:
    if job.state == JobState.QUEUED and place is not None and any(place) and not job.phase:
        said = _("In the queue (running now: %(running)d, before this: %(before)d)")
        return said % {"running": place[0], "before": place[1]}
    phases = {
        "waiting": _("Waiting for another import to end"),
        "reading": _("Reading the rows, in per cent"),
        "importing": _("Importing the rows"),
    }
    if job.kind in DATASET_KINDS:
        phases = dataset_labels.phases()
    elif job.kind == queue.Job.TRAIN:
        phases = {**results.phases(), "training": _("Training, in per cent")}
    elif job.kind == queue.Job.EVALUATE:
        phases = evaluation_results.phases()
    return phases.get(job.phase) or job.phase or None


def _progress(job: Job) -> tuple[int | None, int | None]:
    """(done, total) in rows where the total is known, in per cent otherwise; none before the first report."""
    if job.state != JobState.RUNNING or not job.progress:
        return None, None
    rows = job.payload.get("n_rows")
    if rows and job.message.isdecimal():
        return min(int(job.message), rows), rows
    return round(100 * job.progress), 100
