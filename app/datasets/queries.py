"""Every statement of the data set slice. Votes and texts are streamed; none becomes an object of the mapper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.datasets.schemas import FreezePolicy
from app.models import (
    Annotation,
    Annotator,
    DatasetVersion,
    DatasetVote,
    GuidelineVersion,
    Job,
    Preference,
    Project,
    Prompt,
    Response,
    Standing,
    Task,
    TaskStatus,
)

CHUNK = 5000


def lock_project(session: Session, project_id: int) -> Project:
    """The project, locked until the transaction ends, so that two versions never draw one number."""
    return session.scalars(
        sa.select(Project)
        .where(Project.id == project_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def next_number(session: Session, project_id: int) -> int:
    newest = session.scalar(
        sa.select(sa.func.max(DatasetVersion.number)).where(DatasetVersion.project_id == project_id)
    )
    return (newest or 0) + 1


def version_by_number(session: Session, project_id: int, number: int) -> DatasetVersion | None:
    return session.scalar(
        sa.select(DatasetVersion).where(DatasetVersion.project_id == project_id, DatasetVersion.number == number)
    )


def version_by_id(session: Session, version_id: int) -> DatasetVersion | None:
    return session.get(DatasetVersion, version_id)


def frozen_versions(session: Session, project_id: int) -> list[DatasetVersion]:
    """The versions that training may read, newest first."""
    return list(
        session.scalars(
            sa.select(DatasetVersion)
            .where(DatasetVersion.project_id == project_id, DatasetVersion.frozen_at.is_not(None))
            .order_by(DatasetVersion.number.desc())
        )
    )


def versions_with_jobs(
    session: Session, project_id: int, *, before: int | None = None, number: int | None = None, limit: int = 50
) -> Sequence[Any]:
    """(version, its job, pseudonym of who asked for it), newest first; `before` is the last page's last number."""
    query = (
        sa.select(DatasetVersion, Job, Annotator.pseudonym)
        .outerjoin(Job, Job.id == DatasetVersion.job_id)
        .outerjoin(Annotator, Annotator.user_id == DatasetVersion.created_by_id)
        .where(DatasetVersion.project_id == project_id)
        .order_by(DatasetVersion.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(DatasetVersion.number < before)
    if number is not None:
        query = query.where(DatasetVersion.number == number)
    return session.execute(query).all()


def newest_job(session: Session, kind: str, version: DatasetVersion) -> Job | None:
    """The last job of that kind about this version."""
    return session.scalar(
        sa.select(Job)
        .where(
            Job.project_id == version.project_id,
            Job.kind == kind,
            Job.payload["dataset_version_id"].as_integer() == version.id,
        )
        .order_by(Job.id.desc())
        .limit(1)
    )


def guideline_counts(session: Session, project_id: int) -> Sequence[Any]:
    """(number, votes that count) of each published guideline version with votes, for the form."""
    return session.execute(
        sa.select(GuidelineVersion.number, sa.func.count())
        .select_from(Annotation)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .where(Annotation.project_id == project_id, Annotation.standing == Standing.COUNTED, _is_head())
        .group_by(GuidelineVersion.number)
        .order_by(GuidelineVersion.number)
    ).all()


def _is_head() -> sa.ColumnElement[bool]:
    """No revision has taken this vote's place."""
    newer = aliased(Annotation)
    return ~sa.exists().where(newer.supersedes_id == Annotation.id)


def has_named_votes(session: Session, version_id: int) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(DatasetVote.dataset_version_id == version_id))))


def count_named_votes(session: Session, version_id: int) -> int:
    return session.scalars(
        sa.select(sa.func.count()).select_from(DatasetVote).where(DatasetVote.dataset_version_id == version_id)
    ).one()


def name_votes(session: Session, version: DatasetVersion, policy: FreezePolicy) -> int:
    """Write down which votes the version is made of: the heads of revision chains as they stand now. How many."""
    chosen = (
        sa.select(sa.literal(version.id, sa.BigInteger), Annotation.id)
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .where(
            Annotation.project_id == version.project_id,
            Annotation.standing == Standing.COUNTED,
            Annotation.overlap_reason.in_(policy.overlap_reasons),
            Annotator.kind.in_(policy.annotator_kinds),
            _is_head(),
        )
    )
    if policy.guideline_versions is not None:
        chosen = chosen.outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id).where(
            sa.func.coalesce(GuidelineVersion.number, 0).in_(policy.guideline_versions)
        )
    if not policy.archived_tasks:
        chosen = chosen.join(Task, Task.id == Annotation.task_id).where(Task.status != TaskStatus.ARCHIVED)
    insert = sa.insert(DatasetVote).from_select(["dataset_version_id", "annotation_id"], chosen, include_defaults=False)
    return int(session.execute(insert).rowcount)  # type: ignore[attr-defined]


def named_votes(session: Session, version_id: int) -> Iterator[Sequence[Any]]:
    """Chunks of the preferences behind the named votes, by pair and vote.

    (low_response_id, high_response_id, criterion, signed_strength, is_both_bad, group_id, strength_steps, annotator_id,
    annotator_kind, overlap_reason, guideline_version).
    """
    query: Any = (
        sa.select(
            Preference.low_response_id,
            Preference.high_response_id,
            Preference.criterion,
            Preference.signed_strength,
            Preference.is_both_bad,
            Preference.group_id,
            Preference.strength_steps,
            Annotation.annotator_id,
            sa.cast(Annotator.kind, sa.Text),
            sa.cast(Annotation.overlap_reason, sa.Text),
            GuidelineVersion.number,
        )
        .select_from(DatasetVote)
        .join(Annotation, Annotation.id == DatasetVote.annotation_id)
        .join(Preference, Preference.annotation_id == Annotation.id)
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .where(DatasetVote.dataset_version_id == version_id)
        .order_by(
            Preference.low_response_id, Preference.high_response_id, Preference.criterion, Annotation.id, Preference.id
        )
    )
    return _chunks(session, query)


def pair_texts(session: Session, version_id: int) -> Iterator[Sequence[Any]]:
    """Chunks of the pairs that the named votes speak of, with their texts, by prompt and response ids.

    (low_id, high_id, prompt_id, external_id, content, meta, low_text, high_text, low_model, high_model, low_position,
    high_position, domain, language). The position of what an annotator wrote is NULL.
    """
    low, high = aliased(Response), aliased(Response)
    pair = (
        sa.select(
            Preference.low_response_id.label("low"),
            Preference.high_response_id.label("high"),
            sa.func.min(Annotation.task_id).label("task_id"),
        )
        .select_from(DatasetVote)
        .join(Annotation, Annotation.id == DatasetVote.annotation_id)
        .join(Preference, Preference.annotation_id == Annotation.id)
        .where(DatasetVote.dataset_version_id == version_id)
        .group_by(Preference.low_response_id, Preference.high_response_id)
        .subquery()
    )
    query = (
        sa.select(
            pair.c.low,
            pair.c.high,
            Prompt.id,
            Prompt.external_id,
            Prompt.content,
            Prompt.meta,
            low.text,
            high.text,
            low.model,
            high.model,
            low.position,
            high.position,
            Task.domain,
            Task.language,
        )
        .select_from(pair)
        .join(low, low.id == pair.c.low)
        .join(high, high.id == pair.c.high)
        .join(Prompt, Prompt.id == low.prompt_id)
        .join(Task, Task.id == pair.c.task_id)
        .order_by(Prompt.id, pair.c.low, pair.c.high)
    )
    return _chunks(session, query)


def has_preferences(session: Session, version_id: int) -> bool:
    """Whether the named votes say anything about pairs."""
    said = sa.exists().where(
        DatasetVote.dataset_version_id == version_id, Preference.annotation_id == DatasetVote.annotation_id
    )
    return bool(session.scalar(sa.select(said)))


def written_responses(session: Session, version_id: int) -> Iterator[Sequence[Any]]:
    """Chunks of what was written in the named votes, by response id; `edited_from` is the place of an edit's source."""
    source = aliased(Response)
    query: Any = (
        sa.select(
            Response.id.label("response_id"),
            Response.text,
            source.position.label("edited_from"),
            Prompt.id.label("prompt_id"),
            Prompt.external_id,
            Prompt.content,
            Prompt.meta,
            Task.domain,
            Task.language,
            GuidelineVersion.number.label("guideline_version"),
        )
        .select_from(DatasetVote)
        .join(Annotation, Annotation.id == DatasetVote.annotation_id)
        .join(Response, Response.annotation_id == Annotation.id)
        .outerjoin(source, source.id == Response.edited_from_id)
        .join(Prompt, Prompt.id == Response.prompt_id)
        .join(Task, Task.id == Annotation.task_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .where(DatasetVote.dataset_version_id == version_id)
        .order_by(Response.id)
    )
    return _chunks(session, query)


def voters(session: Session, version_id: int) -> Sequence[Any]:
    """(annotator id, kind, reason, guideline number, votes) of the named votes."""
    return session.execute(
        sa.select(
            Annotation.annotator_id,
            sa.cast(Annotator.kind, sa.Text),
            sa.cast(Annotation.overlap_reason, sa.Text),
            GuidelineVersion.number,
            sa.func.count(),
        )
        .select_from(DatasetVote)
        .join(Annotation, Annotation.id == DatasetVote.annotation_id)
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Annotation.guideline_version_id)
        .where(DatasetVote.dataset_version_id == version_id)
        .group_by(Annotation.annotator_id, Annotator.kind, Annotation.overlap_reason, GuidelineVersion.number)
        .order_by(Annotation.annotator_id)
    ).all()


def _chunks(session: Session, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    return session.execute(query.execution_options(yield_per=CHUNK)).partitions(CHUNK)


def database_time(session: Session) -> Any:
    return session.execute(sa.select(sa.func.now())).scalar_one()
