"""An import in the browser: a file is uploaded, rehearsed, shown, and imported by a job when the person says so.

The rehearsal is kept as a job row, also where it was short enough to be done at once: its page can then be reloaded,
linked and reached by the API, and it is found under the project's jobs while it runs.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import timedelta
from typing import IO, Any
from uuid import uuid4

from sqlalchemy.orm import Session

from app import audit, queue, storage
from app.config import settings
from app.database import JSON, after_commit
from app.errors import Conflict, NotFound
from app.exchange import queries
from app.exchange.loading import ImportCounts
from app.exchange.reading import Preview
from app.exchange.rows import ImportRow
from app.exchange.schemas import ImportOptions
from app.exchange.service import ImportRefused, Report, import_file, rehearse_file
from app.models import Job, JobState

UPLOAD_BYTES = 2 * settings().max_upload_bytes
"""The largest body that is read at all; a file over the limit within it is answered with a sentence of ours."""
AT_ONCE_BYTES = 20 * 1024**2
AT_ONCE_SECONDS = 2.0
KEPT = timedelta(days=2)
SAMPLE_CHARACTERS = 1500
SHOWN_VALUES = 12


class _TakesLonger(Exception):
    """The rehearsal is not done in the time that a request may take."""


class _Budget:
    """A report that ends the work when its time is up."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def __call__(self, **_told: Any) -> None:
        if time.monotonic() > self.end:
            raise _TakesLonger


def take_upload(
    session: Session,
    *,
    viewer_id: int,
    project_id: int,
    stream: IO[bytes],
    filename: str,
    options: ImportOptions,
    at_once_seconds: float = AT_ONCE_SECONDS,
) -> Job:
    """Keep the file and rehearse its import: at once if that is short, else by a job.

    The job returned has ended (succeeded, or failed with the problems as its result) or is queued. Raises TooLarge.
    """
    stored, file_hash, size = storage.save_stream("imports", stream, max_bytes=settings().max_upload_bytes)
    payload = {
        "stored": stored,
        "filename": storage.shown_name(filename),
        "file_hash": file_hash,
        "size": size,
        "options": options.model_dump(),
    }
    job: Job | None = None
    try:
        if size <= AT_ONCE_BYTES:
            job = _rehearse_at_once(session, viewer_id, project_id, payload, at_once_seconds)
        if job is None:
            job = queue.enqueue(
                session, queue.Job.PREVIEW_IMPORT, payload, project_id=project_id, created_by_id=viewer_id
            )
    except BaseException:
        storage.delete_stored(stored)
        raise
    return job


def _rehearse_at_once(session: Session, viewer_id: int, project_id: int, payload: JSON, seconds: float) -> Job | None:
    now = queries.database_time(session)
    job = Job(
        kind=queue.Job.PREVIEW_IMPORT,
        queue=queue.QUEUES[queue.Job.PREVIEW_IMPORT],
        payload=payload,
        unique_key=f"{queue.Job.PREVIEW_IMPORT}:{uuid4().hex}",
        project_id=project_id,
        created_by_id=viewer_id,
        state=JobState.SUCCEEDED,
        progress=1.0,
        started_at=now,
        finished_at=now,
    )
    try:
        job.result = _rehearse(session, project_id, payload, _Budget(seconds))
    except _TakesLonger:
        return None
    except ImportRefused as refused:
        storage.delete_stored(payload["stored"])
        job.payload = {name: value for name, value in payload.items() if name != "stored"}
        job.state, job.result, job.error = JobState.FAILED, refused.details, refused.sentence()
    session.add(job)
    session.flush()
    return job


def run_preview(session: Session, job: Job, reporter: Report) -> JSON:
    """The rehearsal as a job; raises ImportRefused with the problems, and keeps nothing of the file then."""
    assert job.project_id is not None
    try:
        return _rehearse(session, job.project_id, job.payload, reporter)
    except ImportRefused:
        storage.delete_stored(job.payload["stored"])
        raise


def _rehearse(session: Session, project_id: int, payload: JSON, reporter: Report) -> JSON:
    with storage.open_stored(payload["stored"]) as source:
        seen, counts = rehearse_file(
            session,
            project_id=project_id,
            source=source,
            filename=payload["filename"],
            options=ImportOptions.model_validate(payload["options"]),
            reporter=reporter,
        )
    if seen.problems:
        raise ImportRefused(seen.problems, is_cut_short=seen.is_cut_short)
    return preview_json(seen, counts)


def start_import(session: Session, *, viewer_id: int, preview: Job, overlap: int | None, extra_overlap: int) -> Job:
    """Queue the import that a preview has shown; asked twice, the same job. Raises Conflict where there is nothing."""
    if preview.state != JobState.SUCCEEDED or preview.result is None:
        raise Conflict("This file cannot be imported: its preview is not done, or has shown problems.")
    earlier = session.get(Job, preview.result.get("import_job_id", 0))
    if earlier is not None and earlier.state not in (JobState.FAILED, JobState.CANCELLED):
        return earlier
    if "stored" not in preview.payload:
        raise Conflict("The uploaded file is no longer kept. Upload it again.", code="upload_gone")
    options = ImportOptions.model_validate(
        preview.payload["options"] | {"overlap": overlap, "extra_overlap": extra_overlap}
    )
    payload = preview.payload | {"options": options.model_dump(), "n_rows": preview.result["counts"]["rows"]}
    job = queue.enqueue(
        session,
        queue.Job.IMPORT_TASKS,
        payload,
        key=payload["stored"],
        project_id=preview.project_id,
        created_by_id=viewer_id,
    )
    preview.result = preview.result | {"import_job_id": job.id}
    audit.record(
        session,
        "import.started",
        actor_id=viewer_id,
        project_id=preview.project_id,
        target=job,
        filename=payload["filename"],
    )
    session.flush()
    return job


def run_import(session: Session, job: Job, reporter: Report) -> JSON:
    """The import as a job, in the caller's transaction; the uploaded file goes once it is committed."""
    assert job.project_id is not None
    stored = job.payload["stored"]
    with storage.open_stored(stored) as source:
        counts = import_file(
            session,
            project_id=job.project_id,
            source=source,
            filename=job.payload["filename"],
            file_hash=job.payload["file_hash"],
            actor_id=job.created_by_id,
            options=ImportOptions.model_validate(job.payload["options"]),
            reporter=reporter,
        )
    after_commit(session, lambda: storage.delete_stored(stored))
    return {"counts": asdict(counts)}


def purge_uploads(session: Session) -> int:
    """Delete uploaded files that nobody imported within two days; returns how many."""
    old = queries.ended_jobs(session, queue.Job.PREVIEW_IMPORT, queries.database_time(session) - KEPT)
    for job in old:
        storage.delete_stored(job.payload["stored"])
        job.payload = {name: value for name, value in job.payload.items() if name != "stored"}
    return len(old)


def find_preview(session: Session, job_id: int, project_id: int) -> Job:
    """A preview of this project, or NotFound."""
    job = queries.job_of_project(session, job_id, project_id, [queue.Job.PREVIEW_IMPORT])
    if job is None:
        raise NotFound
    return job


def find_problems(session: Session, job_id: int, project_id: int) -> tuple[str, list[dict[str, Any]]]:
    """(file name, problems) of a refused preview or import of this project, or NotFound."""
    kinds = [queue.Job.PREVIEW_IMPORT, queue.Job.IMPORT_TASKS]
    job = queries.job_of_project(session, job_id, project_id, kinds)
    if job is None or not job.result or not job.result.get("problems"):
        raise NotFound
    return str(job.payload["filename"]), list(job.result["problems"])


def preview_json(seen: Preview, counts: ImportCounts) -> JSON:
    """What a preview shows, as the job keeps it."""
    return {
        "counts": asdict(counts),
        "responses_per_row": {str(number): rows for number, rows in sorted(seen.responses.items())},
        "languages": dict(seen.languages.most_common(SHOWN_VALUES)),
        "domains": dict(seen.domains.most_common(SHOWN_VALUES)),
        "n_languages": len(seen.languages),
        "n_domains": len(seen.domains),
        "samples": [_sample(row) for row in seen.samples],
        "unused": seen.unused,
    }


def _sample(row: ImportRow) -> JSON:
    return {
        "row": row.row,
        "task_id": row.task_id,
        "prompt": [{"role": message.role, "content": _cut(message.content)} for message in row.messages[-6:]],
        "responses": [{"text": _cut(response.text), "model": response.model} for response in row.responses],
        "gold": row.gold.choice if row.gold else None,
        "votes": len(row.votes),
        "domain": row.domain,
        "language": row.language,
        "tags": list(row.tags),
    }


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE_CHARACTERS else text[:SAMPLE_CHARACTERS] + " …"
