"""Training runs: start one, look at it, cancel it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from app import audit, queue, storage
from app.database import unit_of_work
from app.errors import Conflict, Invalid, NotFound
from app.models import Checkpoint, DatasetVersion, Job, JobState, Project, TrainingRun
from app.projects import queries as project_queries
from app.training import queries
from app.training.devices import EVERYWHERE
from app.training.options import PolicyOptions, TrainingOptions, algorithm_of
from app.training.schemas import (
    CheckpointOut,
    Curves,
    Estimate,
    FileOut,
    LogLine,
    Point,
    QueueEntry,
    RunDetail,
    RunPage,
    RunSummary,
)

PAGE = 50
POINTS = 2000
DRAWN = 150
LOG_LINES = 40
LOG_PIECE = 1000
CARD = "README.md"
LARGEST_CARD = 512 * 1024


def start_run(
    session: Session,
    *,
    project: Project,
    actor_id: int | None,
    version: DatasetVersion,
    name: str = "",
    options: TrainingOptions,
) -> TrainingRun:
    """Write the run and queue its job; the options say which algorithm it is.

    Raises Conflict for a version that is not frozen, Invalid for unfit options.
    """
    if version.project_id != project.id:
        raise NotFound
    if version.frozen_at is None:
        raise Conflict("This data set version is not frozen yet; training reads frozen versions only.")
    _must_fit(version, options)
    _must_have_its_base(session, project.id, options)
    algorithm = algorithm_of(options)
    project_queries.lock_project(session, project.id)
    number = queries.next_number(session, project.id)
    run = TrainingRun(
        project_id=project.id,
        number=number,
        name=name or f"{algorithm.replace('_', '-')}-{number}",
        algorithm=algorithm,
        dataset_version_id=version.id,
        options=options.model_dump(mode="json"),
        created_by_id=actor_id,
    )
    session.add(run)
    session.flush()
    job = queue.enqueue(
        session,
        queue.Job.TRAIN,
        {"run_id": run.id, "number": number, "name": run.name},
        key=f"run-{run.id}",
        project_id=project.id,
        created_by_id=actor_id,
    )
    run.job_id = job.id
    audit.record(
        session,
        "training.start",
        actor_id=actor_id,
        project_id=project.id,
        target=run,
        name=run.name,
        number=number,
        dataset=version.number,
        algorithm=algorithm,
        options=run.options,
    )
    session.flush()
    return run


def _must_fit(version: DatasetVersion, options: TrainingOptions) -> None:
    """What the version's manifest already tells of a run that could only fail.

    SFT learns at most one answer of each row, so that what is too little for pairs is too little for it.
    """
    manifest = version.manifest or {}
    criteria = sorted(name for name in manifest.get("criteria", {}) if name)
    if options.criterion and options.criterion not in criteria:
        raise Invalid("The data set has no rows of this criterion.", field="criterion")
    if len(criteria) > 1 and not options.criterion:
        raise Invalid(
            "The data set speaks of several criteria. Choose one: %(names)s.",
            field="criterion",
            names=", ".join(criteria),
        )
    rows = manifest.get("counts", {}).get("splits", {}).get("train", {}).get("rows")
    if rows is not None and rows < options.batch_size:
        raise Invalid(
            "The data set has %(rows)d rows to train on, fewer than one batch. Choose a smaller batch.",
            field="batch_size",
            rows=rows,
        )


def _must_have_its_base(session: Session, project_id: int, options: TrainingOptions) -> None:
    """A run is trained further only where it has ended with a language model."""
    if not isinstance(options, PolicyOptions) or options.base_run is None:
        return
    if not queries.finished_policies(session, project_id, number=options.base_run):
        raise Invalid(
            "Run %(number)d has no language model to go on from: choose a finished SFT or DPO run of this project.",
            field="base_run",
            number=options.base_run,
        )


def cancel_run(session: Session, run: TrainingRun, *, actor_id: int) -> Job:
    """Ask the run to stop; one that waits ends at once. Raises Conflict when it has ended."""
    if run.job_id is None:
        raise Conflict("This run has already ended; there is nothing to cancel.")
    job = queue.request_cancel(session, run.job_id)
    audit.record(
        session,
        "training.cancel",
        actor_id=actor_id,
        project_id=run.project_id,
        target=run,
        name=run.name,
        number=run.number,
    )
    return job


def list_runs(session: Session, project_id: int, *, before: int | None = None) -> RunPage:
    found = queries.runs_with_jobs(session, project_id, before=before, limit=PAGE + 1)
    return RunPage(
        items=[RunSummary.model_validate(_summary(*row)) for row in found[:PAGE]],
        next_cursor=str(found[PAGE - 1][0].number) if len(found) > PAGE else None,
    )


def show_run(session: Session, run: TrainingRun) -> RunDetail:
    """The run with its job, newest measurement, files, checkpoints and the last lines of its log."""
    row = queries.runs_with_jobs(session, run.project_id, number=run.number, limit=1)[0]
    job: Job | None = row[1]
    kept = queries.checkpoints(session, run.id)
    step = queries.newest(session, job.id, kind="step") if job else None
    evaluation = queries.newest(session, job.id, kind="evaluation") if job else None
    slot = queries.device_of(session, job) if job and job.state == JobState.RUNNING else None
    lines = queries.log_tail(session, job.id, limit=LOG_LINES) if job else []
    return RunDetail.model_validate(
        {
            **_summary(*row),
            "options": run.options,
            "job": queue.snapshot(job) if job else None,
            "attempt": job.attempt if job else 0,
            "resumed_from": _resumed_from(kept, job.attempt) if job else None,
            "device": _device(slot.host, slot.device) if slot else None,
            "last_step": _point(step) if step else None,
            "last_evaluation": _point(evaluation) if evaluation else None,
            "result": run.result,
            "files": {name: FileOut.model_validate(file) for name, file in (run.files or {}).items()},
            "checkpoints": [CheckpointOut.model_validate(each, from_attributes=True) for each in kept],
            "log": [LogLine.model_validate(line, from_attributes=True) for line in lines],
        }
    )


def _summary(run: TrainingRun, job: Job | None, dataset: int, pseudonym: str | None) -> dict[str, Any]:
    return {
        "number": run.number,
        "name": run.name,
        "algorithm": run.algorithm,
        "model": str(run.options.get("model", "")),
        "dataset": dataset,
        "state": job.state.value if job else JobState.FAILED.value,
        "phase": job.phase if job else "",
        "progress": job.progress if job else 0.0,
        "accuracy": estimate(run.result, "eval_accuracy"),
        "held_out_loss": estimate(run.result, "eval_loss") if run.algorithm == "sft" else None,
        "created_at": run.created_at,
        "created_by": pseudonym,
        "finished_at": run.finished_at or (job.finished_at if job else None),
    }


def estimate(result: dict[str, Any] | None, name: str) -> Estimate | None:
    """A metric of workers.training.evaluation.accuracy, or of SFT, with its interval; None where there is none.

    Shares are over pairs whose label takes a side, those of the shorter response over their own; means of SFT are over
    rows.
    """
    if result is None or result.get(name) is None:
        return None
    low, high = result.get(f"{name}_interval") or (None, None)
    n_sided = result.get("n_pairs", 0) - result.get("n_ties", 0)
    n = result.get("n_shorter", 0) if name.endswith("_shorter") else result.get("n_rows", n_sided)
    return Estimate(value=result[name], low=low, high=high, n=n)


def _resumed_from(kept: list[Checkpoint], attempt: int) -> int | None:
    """The step of the last sound checkpoint of earlier attempts."""
    steps = [each.step for each in kept if each.attempt < attempt and each.refused is None]
    return max(steps, default=None)


def _device(host: str, device: str) -> str:
    """A card that is known by its own number needs no machine beside it."""
    return device if host == EVERYWHERE else f"{device} · {host}"


def curves(session: Session, run: TrainingRun, *, after: int = 0) -> Curves:
    """What was measured after that step, at most POINTS training windows at once.

    Evaluations at that very step come again: they take a while, and end after the window of their step was seen.
    """
    job = session.get(Job, run.job_id) if run.job_id is not None else None
    if job is None:
        return Curves(
            state=JobState.FAILED.value, is_active=False, steps=[], evaluations=[], last_step=after, has_more=False
        )
    steps = [_point(row) for row in queries.metrics(session, job.id, kind="step", after=after, limit=POINTS)]
    measured = queries.metrics(session, job.id, kind="evaluation", after=after - 1, limit=POINTS)
    evaluations = [_point(row) for row in measured]
    has_more = len(steps) == POINTS or len(evaluations) == POINTS
    if has_more:  # what is sent must be whole up to one step, or the next question would pass something over
        ends = [points[-1].step for points in (steps, evaluations) if len(points) == POINTS]
        steps = [point for point in steps if point.step <= min(ends)]
        evaluations = [point for point in evaluations if point.step <= min(ends)]
    return Curves(
        state=job.state.value,
        is_active=job.state in queue.ACTIVE,
        steps=steps,
        evaluations=evaluations,
        last_step=max((point.step for point in [*steps, *evaluations]), default=after),
        has_more=has_more,
    )


def drawn_curves(session: Session, run: TrainingRun) -> tuple[list[Point], list[Point]]:
    """(training windows, evaluations) thinned to what a picture can show."""
    if run.job_id is None:
        return [], []
    steps = queries.thinned_metrics(session, run.job_id, kind="step", points=DRAWN)
    evaluations = queries.thinned_metrics(session, run.job_id, kind="evaluation", points=DRAWN)
    return [_point(row) for row in steps], [_point(row) for row in evaluations]


def _point(row: Any) -> Point:
    return Point(step=row.step, attempt=row.attempt, values=row.values)


def show_queue(session: Session, project_id: int) -> list[QueueEntry]:
    """Who trains on which device and who waits, over the whole installation: projects share its devices."""
    entries, position = [], 0
    for job, run, slot in queries.queue_of_devices(session):
        is_waiting = job.state == JobState.QUEUED
        position += is_waiting
        is_own = run is not None and run.project_id == project_id
        is_evaluation = job.kind == queue.Job.EVALUATE
        entries.append(
            QueueEntry(
                run=run.number if is_own else None,
                name=run.name if is_own else None,
                evaluation=job.id if is_own and is_evaluation else None,
                state=job.state.value,
                device=_device(slot.host, slot.device) if slot and not is_waiting else None,
                position=position if is_waiting else None,
                since=job.created_at if is_waiting else job.started_at or job.created_at,
            )
        )
    return entries


def whole_log(job_id: int | None) -> Iterator[str]:
    """Everything the run has said so far, a line each, in pieces that are read as they are sent.

    Each piece is a transaction of its own: a slow reader holds no connection.
    """
    after = 0
    while job_id is not None:
        with unit_of_work() as session:
            found = queries.log_after(session, job_id, after=after, limit=LOG_PIECE)
        if found:
            after = found[-1].id
            yield "".join(map(_log_line, found))
        if len(found) < LOG_PIECE:
            return


def _log_line(row: Any) -> str:
    """Further lines of one message are set in, so that each line at the margin begins with its time."""
    at = row.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = "\n    ".join(row.message.splitlines())
    return f"{at} attempt {row.attempt} {row.level}: {message}\n"


def open_file(run: TrainingRun, name: str) -> tuple[BinaryIO, int]:
    """(the file, its bytes); NotFound for a name that is no file of this run."""
    found = (run.files or {}).get(name)
    if found is None:
        raise NotFound
    return storage.open_stored(found["stored"]), found["bytes"]


def model_card(run: TrainingRun) -> str | None:
    """The Markdown of the model card without the lines that are for the hub; None where it is not there."""
    try:
        stream, size = open_file(run, CARD)
    except NotFound:
        return None
    with stream:
        text = stream.read(min(size, LARGEST_CARD)).decode(errors="replace")
    if text.startswith("---\n"):
        _front, _line, text = text.removeprefix("---\n").partition("\n---\n")
    return text.strip()
