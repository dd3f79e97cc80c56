"""Import: all rows of a file, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Protocol

from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound
from app.exchange import queries
from app.exchange.loading import ImportCounts, Loader, Terms, chunks
from app.exchange.problems import ImportProblem
from app.exchange.rows import ImportRow
from app.models import ImportBatch, Project
from app.projects import queries as project_queries

MAX_PROBLEMS = 100
LOCK_SECONDS = 0.5


class Report(Protocol):
    """How a long piece of work tells how far it is; app.queue.Reporter is one. It may raise to stop the work."""

    def __call__(
        self, *, progress: float | None = None, phase: str | None = None, message: str | None = None
    ) -> None: ...


class ImportRefused(Invalid):
    """The file has problems; nothing of it was kept. `problems` are the first hundred."""

    code = "import_refused"

    def __init__(self, problems: list[ImportProblem]) -> None:
        self.problems = problems[:MAX_PROBLEMS]
        super().__init__(
            "Nothing was imported. %(problem)s"
            if len(problems) == 1
            else "Nothing was imported: there are %(count)d problems. The first: %(problem)s",
            count=len(problems),
            problem=problems[0].message,
        )


def import_rows(
    session: Session,
    *,
    project_id: int,
    rows: Iterable[ImportRow],
    filename: str,
    file_hash: str,
    actor_id: int | None,
    overlap: int | None = None,
    extra_overlap: int = 0,
    total_rows: int | None = None,
    reporter: Report | None = None,
    seed: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ImportCounts:
    """Add the rows of one file to a project in this transaction, or raise and leave the transaction to be undone.

    `overlap` is how many judgements a task without votes asks for (None: the project's policy), `extra_overlap` how
    many more a task with imported votes asks for beyond those. What an earlier import brought is passed over; votes
    that are new on it are added and raise its target. `total_rows` only serves the progress; `seed` fixes the places
    in the queue for tests. Raises ImportRefused with all problems found, up to a hundred.
    """
    if session.get(Project, project_id) is None:
        raise NotFound
    queries.allow_long_statements(session)
    while not queries.try_lock_imports(session, project_id):
        _report(reporter, phase="waiting")
        pause(LOCK_SECONDS)
    batch = ImportBatch(
        project_id=project_id, filename=filename, file_hash=file_hash, counts={}, created_by_id=actor_id
    )
    earlier_batch_id = queries.batch_with_hash(session, project_id, file_hash)
    session.add(batch)
    session.flush()
    loader = Loader(
        session,
        project_id=project_id,
        batch_id=batch.id,
        actor_id=actor_id,
        terms=_terms(session, project_id, overlap, extra_overlap),
        seed=seed,
    )
    for chunk in chunks(rows):
        loader.load(chunk)
        if len(loader.problems) >= MAX_PROBLEMS:
            break
        share = min(loader.counts.rows / total_rows, 1.0) if total_rows else None
        _report(reporter, phase="importing", progress=share, message=str(loader.counts.rows))
    if loader.problems:
        raise ImportRefused(loader.problems)
    if not loader.counts.rows:
        raise Invalid("The file holds no rows; nothing was imported.", code="no_rows")
    if loader.counts.has_added:
        batch.counts = asdict(loader.counts)
        audit.record(
            session, "tasks.imported", actor_id=actor_id, project_id=project_id, target=batch, **asdict(loader.counts)
        )
    else:
        session.delete(batch)
        loader.counts.batch_id = earlier_batch_id
    session.flush()
    return loader.counts


def _terms(session: Session, project_id: int, overlap: int | None, extra_overlap: int) -> Terms:
    policy_id, policy = project_queries.current_policy(session, project_id)
    schema_id, schema = project_queries.current_schema(session, project_id)
    guideline = project_queries.current_guideline(session, project_id)
    return Terms(
        overlap=policy.overlap if overlap is None else overlap,
        extra_overlap=extra_overlap,
        schema=schema,
        schema_version_id=schema_id,
        policy_version_id=policy_id,
        guideline_version_id=guideline.id if guideline else None,
    )


def _report(reporter: Report | None, *, phase: str, progress: float | None = None, message: str | None = None) -> None:
    if reporter is not None:
        reporter(progress=progress, phase=phase, message=message)
