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

VoteRow = tuple[int, int, int, int, int, int, int, str]


def votes(session: Session, project_id: int) -> Iterator[Sequence[VoteRow]]:
    """Chunks of (task id, prompt id, annotator id, label, guideline number or 0, ids of both responses, kind), by vote.

    A ranking says one label about each pair of its responses.

    Only heads of revisions, only counted votes on regular tasks. The label speaks of the response with the lower id:
    0 A is better, 1 tie, 2 B is better, 3 both bad.
    """
    later = aliased(Annotation)
    label = sa.case(
        (Preference.is_both_bad, 3), (Preference.signed_strength > 0, 0), (Preference.signed_strength < 0, 2), else_=1
    )
    statement = (
        sa.select(
            Annotation.task_id,
            Task.prompt_id,
            Annotation.annotator_id,
            label,
            sa.func.coalesce(GuidelineVersion.number, 0),
            Preference.low_response_id,
            Preference.high_response_id,
            sa.cast(Annotator.kind, sa.Text),
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
        .order_by(Annotation.id, Preference.id)
        .execution_options(yield_per=_CHUNK)
    )
    for chunk in session.execute(statement).partitions():
        yield [tuple(row) for row in chunk]


def prompt_clusters(session: Session, prompt_ids: Sequence[int]) -> dict[int, int]:
    """The cluster of each prompt: those with the same content are one, named by the lowest id in it.

    A statement of its own, since joined to the votes it is planned as a loop in a loop while the tables of a fresh
    import have no statistics.
    """
    same_content = sa.func.md5(sa.cast(Prompt.content, sa.Text))
    rows = session.execute(
        sa.select(Prompt.id, sa.func.min(Prompt.id).over(partition_by=same_content).label("cluster")).where(
            Prompt.id == sa.any_(sa.cast(list(prompt_ids), sa.ARRAY(sa.BigInteger)))
        )
    )
    return {row.id: row.cluster for row in rows}


def pseudonyms(session: Session, annotator_ids: Sequence[int]) -> dict[int, str]:
    """Of each annotator, in one statement whatever their number."""
    ids = sa.cast(list(annotator_ids), sa.ARRAY(sa.BigInteger))
    rows = session.execute(sa.select(Annotator.id, Annotator.pseudonym).where(Annotator.id == sa.any_(ids)))
    return {row.id: row.pseudonym for row in rows}


def kinds() -> list[str]:
    return [kind.value for kind in AnnotatorKind]
