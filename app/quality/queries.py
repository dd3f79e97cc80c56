"""Every SELECT of the quality slice: the votes that agreement may count, and who gave them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    GuidelineVersion,
    OverlapReason,
    Preference,
    Prompt,
    Standing,
    Task,
    TaskKind,
)

COUNTED_REASONS = (OverlapReason.BASE, OverlapReason.IMPORTED, OverlapReason.CALIBRATION)
"""Over votes that were asked for because others disagreed, agreement would read far too high."""
CRITERION = "overall"
_CHUNK = 20_000

VoteRow = tuple[int, int, int, int, int, str]


def votes(session: Session, project_id: int) -> Iterator[Sequence[VoteRow]]:
    """Chunks of (task id, prompt cluster, annotator id, label, guideline number or 0, kind of annotator), by vote id.

    Only heads of revisions, only counted votes on regular tasks. The label speaks of the response with the lower id:
    0 A is better, 1 tie, 2 B is better, 3 both bad. Prompts with the same content are one cluster, named by the lowest
    prompt id in it.
    """
    later = aliased(Annotation)
    label = sa.case(
        (Preference.is_both_bad, 3), (Preference.signed_strength > 0, 0), (Preference.signed_strength < 0, 2), else_=1
    )
    counted = (
        sa.select(
            Annotation.id,
            Annotation.task_id,
            Task.prompt_id,
            Annotation.annotator_id,
            label.label("label"),
            sa.func.coalesce(GuidelineVersion.number, 0).label("version"),
            Annotator.kind,
        )
        .join(Task, Task.id == Annotation.task_id)
        .join(Preference, sa.and_(Preference.annotation_id == Annotation.id, Preference.criterion == CRITERION))
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .where(
            Annotation.project_id == project_id,
            Annotation.standing == Standing.COUNTED,
            Annotation.overlap_reason.in_(COUNTED_REASONS),
            Task.kind == TaskKind.REGULAR,
            ~sa.exists().where(later.supersedes_id == Annotation.id),
        )
        .cte("counted")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    same_content = sa.func.md5(sa.cast(Prompt.content, sa.Text))
    cluster = (
        sa.select(Prompt.id, sa.func.min(Prompt.id).over(partition_by=same_content).label("cluster"))
        .where(Prompt.id.in_(sa.select(counted.c.prompt_id)))
        .cte("clusters")
    )
    statement = (
        sa.select(
            counted.c.task_id,
            cluster.c.cluster,
            counted.c.annotator_id,
            counted.c.label,
            counted.c.version,
            sa.cast(counted.c.kind, sa.Text),
        )
        .join(cluster, cluster.c.id == counted.c.prompt_id)
        .order_by(counted.c.id)
        .execution_options(yield_per=_CHUNK)
    )
    for chunk in session.execute(statement).partitions():
        yield [tuple(row) for row in chunk]


def pseudonyms(session: Session, annotator_ids: Sequence[int]) -> dict[int, str]:
    """Of each annotator, in one statement whatever their number."""
    ids = sa.cast(list(annotator_ids), sa.ARRAY(sa.BigInteger))
    rows = session.execute(sa.select(Annotator.id, Annotator.pseudonym).where(Annotator.id == sa.any_(ids)))
    return {row.id: row.pseudonym for row in rows}


def kinds() -> list[str]:
    return [kind.value for kind in AnnotatorKind]
