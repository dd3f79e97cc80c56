"""Evaluations of trained models: ask for one, find it, and let go of what was uploaded for it.

An evaluation is a job: its payload says what was asked, and its result is what the worker measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from sqlalchemy.orm import Session

from app import audit, queue, storage
from app.config import settings
from app.database import JSON
from app.datasets import queries as dataset_queries
from app.errors import Conflict, Invalid, NotFound
from app.models import Job, TrainingRun
from app.training import evaluation_queries, queries
from app.training.evaluation_schemas import EvaluationOptions, EvaluationOut
from app.training.options import SCRATCH

UPLOAD_BYTES = 2 * settings().max_upload_bytes
"""The largest body that is read at all; a file over the limit within it is answered with a sentence of ours."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of pairs, of sets of responses or of prompts, as it was sent."""

    stream: IO[bytes]
    filename: str


def start(
    session: Session, *, run: TrainingRun, actor_id: int, options: EvaluationOptions, upload: Upload | None = None
) -> Job:
    """Queue the evaluation of a finished run, on the held-out rows of a frozen version or on an uploaded file.

    Raises Conflict for a run without a model, Invalid for what does not fit together, TooLarge.
    """
    if not run.files:
        raise Conflict("This run has made no model yet; there is nothing to evaluate.")
    if (upload is None) == (options.dataset is None):
        raise Invalid("Give a data set or a file to measure on, one of the two.", field="dataset")
    options = _whole(session, run, options)
    version_id = None
    if options.dataset is not None:
        version = dataset_queries.version_by_number(session, run.project_id, options.dataset)
        if version is None or version.frozen_at is None:
            raise Invalid("Please choose a frozen version.", field="dataset")
        version_id = version.id
    stored = _keep(upload) if upload is not None else None
    try:
        job = queue.enqueue(
            session,
            queue.Job.EVALUATE,
            {
                "run_id": run.id,
                "number": run.number,
                "name": run.name,
                "algorithm": run.algorithm,
                "options": options.model_dump(mode="json"),
                "dataset_version_id": version_id,
                "upload": stored,
            },
            project_id=run.project_id,
            created_by_id=actor_id,
        )
        audit.record(
            session,
            "evaluation.start",
            actor_id=actor_id,
            project_id=run.project_id,
            target=job,
            name=run.name,
            number=run.number,
            dataset=options.dataset,
            filename=stored["filename"] if stored else None,
        )
        session.flush()
    except BaseException:
        if stored is not None:
            storage.delete_stored(stored["stored"])
        raise
    return job


def _whole(session: Session, run: TrainingRun, options: EvaluationOptions) -> EvaluationOptions:
    """With the reference that is meant where none is given; Invalid for runs that cannot serve."""
    if run.algorithm in queries.SCORERS:
        given = [name for name in ("reference", "judge") if getattr(options, name) is not None]
        if given:
            raise Invalid("A reward model writes no answers that could be judged.", field=given[0])
        if options.against == run.number:
            raise Invalid("Choose another run: a model compared with itself shows nothing.", field="against")
        _must_be(session, run, options.against, queries.SCORERS, "against")
        return options
    if options.against is not None:
        raise Invalid("A language model is compared by its reference.", field="against")
    if options.reference is None:
        base_run = run.options.get("base_run")
        if base_run is None and run.options.get("model") == SCRATCH:
            raise Invalid(
                "This model began with nothing that could be compared with it. Choose another language model.",
                field="reference",
            )
        options = options.model_copy(update={"reference": base_run})
    if options.reference == run.number:
        raise Invalid("Choose another run: a model compared with itself shows nothing.", field="reference")
    _must_be(session, run, options.reference, queries.POLICIES, "reference")
    _must_be(session, run, options.judge, queries.SCORERS, "judge")
    return options


def _must_be(session: Session, run: TrainingRun, number: int | None, algorithms: tuple[str, ...], field: str) -> None:
    if number is not None and not queries.finished_runs(session, run.project_id, algorithms, number=number):
        raise Invalid("Run %(number)d has made no such model. Choose another run.", field=field, number=number)


def _keep(upload: Upload) -> JSON:
    stored, sha256, size = storage.save_stream("evaluations", upload.stream, max_bytes=settings().max_upload_bytes)
    if not size:
        storage.delete_stored(stored)
        raise Invalid("The file is empty.", field="file")
    return {"stored": stored, "filename": storage.shown_name(upload.filename), "sha256": sha256, "bytes": size}


def find(session: Session, run: TrainingRun, job_id: int) -> Job:
    """An evaluation of this run, or NotFound."""
    job = evaluation_queries.evaluation(session, run, job_id) if 0 < job_id < 2**63 else None
    if job is None:
        raise NotFound
    return job


def shown(job: Job) -> EvaluationOut:
    """As the API gives it; where its file is kept is nobody's business."""
    return EvaluationOut.model_validate(
        {
            "id": job.id,
            "run": job.payload["number"],
            "state": job.state.value,
            "options": job.payload["options"],
            "upload": job.payload["upload"],
            "created_at": job.created_at,
            "finished_at": job.finished_at,
            "error": job.error,
            "result": job.result,
        }
    )


def purge_uploads(session: Session) -> int:
    """Delete files whose evaluation ended two days ago; returns how many."""
    old = evaluation_queries.ended_with_upload(session)
    for job in old:
        upload = job.payload["upload"]
        storage.delete_stored(upload["stored"])
        kept = {name: value for name, value in upload.items() if name != "stored"}
        job.payload = {**job.payload, "upload": kept}
    return len(old)
