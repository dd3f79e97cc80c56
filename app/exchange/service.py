"""Import: all rows of a file, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy.orm import Session

from app import audit
from app.config import settings
from app.errors import Conflict, Invalid, NotFound
from app.exchange import queries
from app.exchange.loading import ImportCounts, Loader, Rehearsal, Terms, chunks
from app.exchange.problems import ImportProblem
from app.exchange.reading import Preview, Reading
from app.exchange.rows import ImportRow
from app.exchange.schemas import ImportOptions, problem_json
from app.models import ImportBatch, Project, ProjectStatus
from app.projects import queries as project_queries

MAX_PROBLEMS = 100
LOCK_SECONDS = 0.5
MANY = 1000
"""Rows of a file after which the planner is told: fewer change no plan."""


class Report(Protocol):
    """How a long piece of work tells how far it is; app.queue.Reporter is one. It may raise to stop the work."""

    def __call__(
        self, *, progress: float | None = None, phase: str | None = None, message: str | None = None
    ) -> None: ...


class ImportRefused(Invalid):
    """The file has problems; nothing of it was kept. `problems` are the first hundred."""

    code = "import_refused"

    def __init__(self, problems: list[ImportProblem], *, is_cut_short: bool = False) -> None:
        self.problems = problems[:MAX_PROBLEMS]
        super().__init__(
            "Nothing was imported. %(problem)s"
            if len(problems) == 1
            else "Nothing was imported: there are %(count)d problems. The first: %(problem)s",
            count=len(problems),
            problem=problems[0].message,
        )
        self.details = {
            "problems": [problem_json(problem) for problem in self.problems],
            "is_cut_short": is_cut_short or len(problems) >= MAX_PROBLEMS,
        }


def import_rows(
    session: Session,
    *,
    project_id: int,
    rows: Iterable[ImportRow | ImportProblem],
    filename: str,
    file_hash: str,
    actor_id: int | None,
    overlap: int | None = None,
    extra_overlap: int = 0,
    reporter: Report | None = None,
    progress: Callable[[], float] | None = None,
    seed: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ImportCounts:
    """Add the rows of one file to a project in this transaction, or raise and leave the transaction to be undone.

    `rows` may be a Reading, whose problems are collected with those found here. `overlap` is how many judgements a
    task without votes asks for (None: the project's policy), `extra_overlap` how many more one with imported votes
    asks for beyond those. What an earlier import brought is passed over; votes that are new on it are added and raise
    its target. `progress` says how far (0..1) the reading is; `seed` fixes the places in the queue for tests.
    Raises ImportRefused with the problems found, up to a hundred.
    """
    _writable_project(session, project_id)
    queries.limit_silence(session, settings().job_lease_seconds)
    while not queries.try_lock_imports(session, project_id):
        _report(reporter, phase="waiting")
        pause(LOCK_SECONDS)
    earlier_batch_id = queries.batch_with_hash(session, project_id, file_hash)
    batch = ImportBatch(
        project_id=project_id, filename=filename, file_hash=file_hash, counts={}, created_by_id=actor_id
    )
    session.add(batch)
    session.flush()
    terms = _terms(session, project_id, overlap, extra_overlap)
    loader = Loader(session, project_id=project_id, batch_id=batch.id, actor_id=actor_id, terms=terms, seed=seed)
    for chunk in chunks(rows):
        loader.load(chunk)
        if len(loader.problems) >= MAX_PROBLEMS:
            break
        rows_so_far = str(loader.counts.rows)
        _report(reporter, phase="importing", progress=progress() if progress else None, message=rows_so_far)
    if loader.problems:
        raise ImportRefused(loader.problems)
    if not loader.counts.rows:
        raise ImportRefused([ImportProblem(None, None, "no_rows")])
    if loader.counts.has_added:
        batch.counts = asdict(loader.counts)
        audit.record(
            session, "tasks.imported", actor_id=actor_id, project_id=project_id, target=batch, **asdict(loader.counts)
        )
    else:
        session.delete(batch)
        loader.counts.batch_id = earlier_batch_id
    session.flush()
    if loader.counts.rows >= MANY:
        queries.refresh_statistics(session)
    return loader.counts


def import_file(
    session: Session,
    *,
    project_id: int,
    source: BinaryIO | Path,
    filename: str,
    file_hash: str,
    actor_id: int | None,
    options: ImportOptions,
    reporter: Report | None = None,
) -> ImportCounts:
    """`import_rows` for a file in any of the formats that app.exchange.reading knows."""
    _schema_id, schema = project_queries.current_schema(session, project_id)
    with closing(Reading(source, filename, options=options.reading(schema))) as reading:
        return import_rows(
            session,
            project_id=project_id,
            rows=reading,
            filename=filename,
            file_hash=file_hash,
            actor_id=actor_id,
            overlap=options.overlap,
            extra_overlap=options.extra_overlap,
            reporter=reporter,
            progress=lambda: reading.progress,
        )


def rehearse_file(
    session: Session,
    *,
    project_id: int,
    source: BinaryIO | Path,
    filename: str,
    options: ImportOptions,
    reporter: Report | None = None,
) -> tuple[Preview, ImportCounts]:
    """What `import_file` would do, with every problem it would meet; writes nothing."""
    _writable_project(session, project_id)
    seen = Preview()
    terms = _terms(session, project_id, options.overlap, options.extra_overlap)
    loader = Loader(session, project_id=project_id, batch_id=None, actor_id=None, terms=terms, writes=Rehearsal())
    with closing(Reading(source, filename, options=options.reading(terms.schema))) as reading:
        for chunk in chunks(reading):
            for item in chunk:
                seen.see(item)
            loader.load(chunk)
            if len(loader.problems) >= MAX_PROBLEMS:
                break
            _report(reporter, phase="reading", progress=reading.progress, message=str(loader.counts.rows))
        seen.end(reading)
    seen.problems = loader.problems[:MAX_PROBLEMS]
    return seen, loader.counts


def _writable_project(session: Session, project_id: int) -> Project:
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound
    if project.status == ProjectStatus.ARCHIVED:
        raise Conflict("This project is archived. Restore it before importing anything.", code="project_archived")
    return project


def _terms(session: Session, project_id: int, overlap: int | None, extra_overlap: int) -> Terms:
    policy_id, policy = project_queries.current_policy(session, project_id)
    schema_id, schema = project_queries.current_schema(session, project_id)
    guideline = project_queries.current_guideline(session, project_id)
    return Terms(
        overlap=policy.overlap if overlap is None else overlap,
        extra_overlap=extra_overlap,
        own_overlap=overlap or 0,
        schema=schema,
        schema_version_id=schema_id,
        policy_version_id=policy_id,
        guideline_version_id=guideline.id if guideline else None,
    )


def _report(reporter: Report | None, *, phase: str, progress: float | None = None, message: str | None = None) -> None:
    if reporter is not None:
        reporter(progress=progress, phase=phase, message=message)
