"""Every statement of the exchange slice: what is already there, and the bulk writes of an import.

Rows are written with COPY, straight into their tables, under ids drawn from the tables' own sequences beforehand: the
references between them are then known without reading anything back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.database import Base
from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    Assignment,
    ImportBatch,
    Job,
    Preference,
    Project,
    Prompt,
    Response,
    Task,
    TaskResponse,
)

IMPORT_LOCK = 4_201_001
COPIED = (Prompt, Response, Task, TaskResponse, Annotator, Assignment, Annotation, Preference)


def try_lock_imports(session: Session, project_id: int) -> bool:
    """Whether this transaction now is the only import into the project; held until it ends."""
    return bool(session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(IMPORT_LOCK, project_id))))


def limit_silence(session: Session, seconds: float) -> None:
    """Postgres ends this transaction when its owner says nothing for so long.

    A worker that was stopped in the middle holds the lock on imports; its successor starts after the same span.
    """
    session.execute(sa.text(f"set local idle_in_transaction_session_timeout = '{int(seconds * 1000)}ms'"))


def database_time(session: Session) -> datetime:
    return session.execute(sa.select(sa.func.now())).scalar_one()


def projects_named(session: Session, name: str) -> Sequence[Project]:
    return session.scalars(sa.select(Project).where(Project.name == name).order_by(Project.id)).all()


def batch_with_hash(session: Session, project_id: int, file_hash: str) -> int | None:
    return session.scalar(
        sa.select(ImportBatch.id)
        .where(ImportBatch.project_id == project_id, ImportBatch.file_hash == file_hash)
        .order_by(ImportBatch.id)
        .limit(1)
    )


def batches(session: Session, project_id: int, *, before: int | None = None, limit: int = 20) -> Sequence[ImportBatch]:
    """A project's imports, newest first; `before` is the id that the last page ended with."""
    statement = (
        sa.select(ImportBatch).where(ImportBatch.project_id == project_id).order_by(ImportBatch.id.desc()).limit(limit)
    )
    if before is not None:
        statement = statement.where(ImportBatch.id < before)
    return session.scalars(statement).all()


def job_of_project(session: Session, job_id: int, project_id: int, kinds: Sequence[str]) -> Job | None:
    return session.scalar(
        sa.select(Job).where(Job.id == job_id, Job.project_id == project_id, Job.kind.in_(list(kinds)))
    )


def ended_jobs(session: Session, kind: str, before: datetime) -> Sequence[Job]:
    """Jobs of a kind that ended before then and still name a stored file."""
    return session.scalars(
        sa.select(Job).where(Job.kind == kind, Job.finished_at < before, Job.payload.has_key("stored")).limit(1000)
    ).all()


def known_prompts(
    session: Session, project_id: int, hashes: Sequence[bytes], external_ids: Sequence[str]
) -> Sequence[Any]:
    """(id, external_id, content_hash) of the project's prompts with any of these hashes or ids."""
    columns = (Prompt.id, Prompt.external_id, Prompt.content_hash)
    by_hash = sa.select(*columns).where(
        Prompt.project_id == project_id, Prompt.content_hash == sa.any_(sa.cast(list(hashes), ARRAY(sa.LargeBinary)))
    )
    by_id = sa.select(*columns).where(
        Prompt.project_id == project_id, Prompt.external_id == sa.any_(sa.cast(list(external_ids), ARRAY(sa.Text)))
    )
    return session.execute(sa.union(by_hash, by_id)).all()


def tasks_of_prompts(session: Session, prompt_ids: Sequence[int]) -> Sequence[Any]:
    """(prompt_id, task_id, kind, response_ids, positions): each task with its responses and their places in the row."""
    in_order = TaskResponse.position
    return session.execute(
        sa.select(
            Task.prompt_id,
            Task.id.label("task_id"),
            Task.kind,
            sa.func.array_agg(TaskResponse.response_id).aggregate_order_by(in_order).label("response_ids"),
            sa.func.array_agg(Response.position).aggregate_order_by(in_order).label("positions"),
        )
        .join(TaskResponse, TaskResponse.task_id == Task.id)
        .join(Response, Response.id == TaskResponse.response_id)
        .where(Task.prompt_id.in_(prompt_ids))
        .group_by(Task.id)
    ).all()


def imported_votes(session: Session, task_ids: Sequence[int]) -> Sequence[Any]:
    """(task_id, external_id, choice, strength, answer) of the votes that earlier imports brought to these tasks."""
    return session.execute(
        sa.select(Annotation.task_id, Annotator.external_id, Annotation.choice, Annotation.strength, Annotation.answer)
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .where(Annotation.task_id.in_(task_ids), Annotator.kind == AnnotatorKind.IMPORTED)
    ).all()


def imported_annotators(session: Session, project_id: int, external_ids: Sequence[str]) -> dict[str, int]:
    """Annotator ids of the project's imported annotators among `external_ids`."""
    rows = session.execute(
        sa.select(Annotator.external_id, Annotator.id).where(
            Annotator.project_id == project_id,
            Annotator.kind == AnnotatorKind.IMPORTED,
            Annotator.external_id == sa.any_(sa.cast(list(external_ids), ARRAY(sa.Text))),
        )
    )
    return {str(external_id): annotator_id for external_id, annotator_id in rows}


def count_more(session: Session, votes: dict[int, int]) -> None:
    """Raise target and count of existing tasks alike, by the votes each was brought."""
    added = sa.values(sa.column("task_id", sa.BigInteger), sa.column("n", sa.Integer), name="added")
    added = added.data(sorted(votes.items()))
    session.execute(
        sa.update(Task)
        .where(Task.id == added.c.task_id)
        .values(
            n_target=Task.n_target + added.c.n,
            own_overlap=Task.n_target + added.c.n,
            n_counted=Task.n_counted + added.c.n,
        )
        .execution_options(synchronize_session=False)
    )


def next_ids(session: Session, model: type[Base], count: int) -> list[int]:
    """Fresh ids from the table's own sequence."""
    if not count:
        return []
    sequence = sa.func.pg_get_serial_sequence(model.__tablename__, "id")
    drawn = sa.select(sa.func.nextval(sequence)).select_from(sa.func.generate_series(1, count))
    return list(session.scalars(drawn))


def copy_rows(session: Session, model: type[Base], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows with COPY, in the session's own transaction."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model.__tablename__), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def refresh_statistics(session: Session) -> None:
    """Tell the planner of what was copied in, which it would else take for empty tables until autovacuum comes by.

    Waits for nobody: a table that is being analysed is left to whoever does it.
    """
    names = ", ".join(f'"{model.__tablename__}"' for model in COPIED)
    session.execute(sa.text(f"ANALYZE (SKIP_LOCKED) {names}"))
