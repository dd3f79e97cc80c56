"""What the simulated annotators need to know."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    Response,
    Task,
    TaskKind,
    TaskResponse,
    TaskStatus,
)


def simulated_annotators(session: Session, project_id: int) -> Sequence[Annotator]:
    return session.scalars(
        sa.select(Annotator)
        .where(Annotator.project_id == project_id, Annotator.kind == AnnotatorKind.SIMULATED)
        .order_by(Annotator.external_id)
    ).all()


def count_places(session: Session, project_id: int) -> int:
    """How many counted judgements the project's open tasks still ask for."""
    return int(
        session.scalar(
            sa.select(sa.func.sum(Task.n_target - Task.n_counted)).where(
                Task.project_id == project_id, Task.status == TaskStatus.OPEN, Task.kind == TaskKind.REGULAR
            )
        )
        or 0
    )


def count_keys(session: Session, *, annotator_ids: Sequence[int], prefix: str) -> int:
    """How many judgements of these annotators carry an idempotency key that starts so."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Annotation)
            .where(
                Annotation.annotator_id.in_(annotator_ids),
                Annotation.idempotency_key.startswith(prefix, autoescape=True),
            )
        )
        or 0
    )


def response_qualities(session: Session, task_id: int) -> list[float | None]:
    """`meta.quality` of a task's responses in stored order; None where it is missing or no number."""
    rows = session.scalars(
        sa.select(Response.meta)
        .join(TaskResponse, TaskResponse.response_id == Response.id)
        .where(TaskResponse.task_id == task_id)
        .order_by(TaskResponse.position)
    )
    qualities = [meta.get("quality") for meta in rows]
    return [float(quality) if isinstance(quality, int | float) else None for quality in qualities]
