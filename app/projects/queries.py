"""Every SELECT of the projects slice, and the statement that applies a new overlap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import (
    GuidelineVersion,
    Membership,
    PolicyVersion,
    Project,
    ProjectStatus,
    Role,
    SchemaVersion,
    Task,
    TaskKind,
    TaskResponse,
    TaskStatus,
    User,
)
from app.projects.definitions import AnswerSchema, Policy


def lock_project(session: Session, project_id: int) -> Project | None:
    """The project, locked until the transaction ends: versions and states change one after the other.

    The lock leaves room for rows that merely refer to the project, so that judging goes on meanwhile.
    """
    return session.scalar(
        sa.select(Project)
        .where(Project.id == project_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def newest_policy(session: Session, project_id: int) -> PolicyVersion:
    return session.scalars(
        sa.select(PolicyVersion)
        .where(PolicyVersion.project_id == project_id)
        .order_by(PolicyVersion.number.desc())
        .limit(1)
    ).one()


def newest_schema(session: Session, project_id: int) -> SchemaVersion:
    return session.scalars(
        sa.select(SchemaVersion)
        .where(SchemaVersion.project_id == project_id)
        .order_by(SchemaVersion.number.desc())
        .limit(1)
    ).one()


def schema_versions(session: Session, project_id: int) -> Sequence[SchemaVersion]:
    """All versions, newest first."""
    return session.scalars(
        sa.select(SchemaVersion).where(SchemaVersion.project_id == project_id).order_by(SchemaVersion.number.desc())
    ).all()


def unfit_responses(session: Session, project_id: int, counts: Sequence[int]) -> list[int]:
    """Of the tasks that are not archived: the numbers of responses, out of `counts`, that some task has."""
    n_responses = sa.select(sa.func.count()).where(TaskResponse.task_id == Task.id).correlate(Task).scalar_subquery()
    return [
        n
        for n in counts
        if session.scalar(
            sa.select(
                sa.exists().where(Task.project_id == project_id, Task.status != TaskStatus.ARCHIVED, n_responses == n)
            )
        )
    ]


def current_policy(session: Session, project_id: int) -> tuple[int, Policy]:
    """(version id, policy) that hold now."""
    version = newest_policy(session, project_id)
    return version.id, Policy.model_validate(version.definition)


def current_schema(session: Session, project_id: int) -> tuple[int, AnswerSchema]:
    """(version id, answer schema) that hold now."""
    version = newest_schema(session, project_id)
    return version.id, AnswerSchema.model_validate(version.definition)


def current_guideline(session: Session, project_id: int) -> GuidelineVersion | None:
    """The newest published guidelines, or None while nothing is published."""
    return session.scalars(
        sa.select(GuidelineVersion)
        .where(GuidelineVersion.project_id == project_id, GuidelineVersion.published_at.is_not(None))
        .order_by(GuidelineVersion.number.desc())
        .limit(1)
    ).one_or_none()


def draft(session: Session, project_id: int) -> GuidelineVersion | None:
    return session.scalars(_draft(project_id)).one_or_none()


def lock_draft(session: Session, project_id: int) -> GuidelineVersion | None:
    statement = _draft(project_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(statement).one_or_none()


def _draft(project_id: int) -> sa.Select[GuidelineVersion]:
    return sa.select(GuidelineVersion).where(
        GuidelineVersion.project_id == project_id, GuidelineVersion.published_at.is_(None)
    )


def start_draft(session: Session, project_id: int, *, body: str, content_hash: str) -> bool:
    """Make the draft; False when somebody else's exists by now."""
    made = session.scalar(
        insert(GuidelineVersion)
        .values(
            project_id=project_id,
            body=body,
            content_hash=content_hash,
            change_note="",
            updated_at=sa.func.clock_timestamp(),
        )
        .on_conflict_do_nothing(index_elements=["project_id"], index_where=sa.text("published_at IS NULL"))
        .returning(GuidelineVersion.id)
    )
    return made is not None


def write_draft(session: Session, draft_id: int, *, body: str, content_hash: str) -> None:
    """New text, and an `updated_at` that no earlier state ever had."""
    later = sa.func.greatest(sa.func.clock_timestamp(), GuidelineVersion.updated_at + sa.text("interval '1 us'"))
    session.execute(
        sa.update(GuidelineVersion)
        .where(GuidelineVersion.id == draft_id)
        .values(body=body, content_hash=content_hash, updated_at=later)
        .execution_options(synchronize_session=False)
    )


def guideline_versions(session: Session, project_id: int) -> Sequence[Any]:
    """(id, number, change_note, is_major, content_hash, published_at, publisher) of what is published, newest first."""
    return session.execute(
        sa.select(
            GuidelineVersion.id,
            GuidelineVersion.number,
            GuidelineVersion.change_note,
            GuidelineVersion.is_major,
            GuidelineVersion.content_hash,
            GuidelineVersion.published_at,
            User.name.label("publisher"),
        )
        .outerjoin(User, User.id == GuidelineVersion.published_by_id)
        .where(GuidelineVersion.project_id == project_id, GuidelineVersion.published_at.is_not(None))
        .order_by(GuidelineVersion.number.desc())
    ).all()


def guideline_number(session: Session, project_id: int, number: int) -> GuidelineVersion | None:
    """A published version by its number."""
    return session.scalars(
        sa.select(GuidelineVersion).where(GuidelineVersion.project_id == project_id, GuidelineVersion.number == number)
    ).one_or_none()


def sample_project(session: Session) -> Project | None:
    """The sample project that is still in use; an archived one makes room for a new one."""
    return session.scalars(
        sa.select(Project)
        .where(Project.is_sample, Project.status != ProjectStatus.ARCHIVED)
        .order_by(Project.id)
        .limit(1)
    ).one_or_none()


def projects_of(
    session: Session,
    *,
    viewer_id: int,
    sees_all: bool,
    before: int | None = None,
    limit: int = 50,
    is_archived: bool | None = None,
) -> list[tuple[Project, Role]]:
    """Projects with the viewer's role there, newest first; `sees_all` for instance admins, who are admins everywhere.

    `before` is the cursor: the lowest project id already shown.
    """
    mine = sa.and_(Membership.project_id == Project.id, Membership.user_id == viewer_id, Membership.ended_at.is_(None))
    statement = sa.select(Project, Membership.role).order_by(Project.id.desc()).limit(limit)
    statement = statement.outerjoin(Membership, mine) if sees_all else statement.join(Membership, mine)
    if before is not None:
        statement = statement.where(Project.id < before)
    if is_archived is not None:
        archived = Project.status == ProjectStatus.ARCHIVED
        statement = statement.where(archived if is_archived else sa.not_(archived))
    return [(project, Role.ADMIN if sees_all else role) for project, role in session.execute(statement)]


def project_with_role(session: Session, project_id: int, user_id: int) -> tuple[Project, Role | None] | None:
    """The project, and the role of this person there as far as they are a member, in one statement."""
    row = session.execute(_project_with_role(), {"of_project": project_id, "of_user": user_id}).one_or_none()
    return (row[0], row[1]) if row is not None else None


@lru_cache
def _project_with_role() -> sa.Select[Project, Role]:
    """Built once: every request in a project asks it."""
    membership = sa.and_(
        Membership.project_id == Project.id,
        Membership.user_id == sa.bindparam("of_user"),
        Membership.ended_at.is_(None),
    )
    project = sa.select(Project, Membership.role).outerjoin(Membership, membership)
    return project.where(Project.id == sa.bindparam("of_project"))


def apply_overlap(session: Session, project_id: int, *, before: int, after: int) -> int:
    """Give every regular task the overlap that takes the place of `before`; returns how many changed.

    A target never drops under what is counted already, nor under what the task's import asked for; and what was asked
    for beyond the former overlap, on disagreement or by hand, stays asked for. A task that has enough becomes done, a
    done one that now lacks judgements opens again; archived tasks take the target and stay archived. Gold is outside
    overlap. Leases stay: an answer that finds its place gone is kept as late.
    """
    was_raised = sa.and_(Task.n_target > sa.func.greatest(Task.own_overlap, before), Task.n_counted < Task.n_target)
    raised = sa.case((was_raised, Task.n_target), else_=0)
    target = sa.func.greatest(Task.n_counted, Task.own_overlap, after, raised)
    is_enough = Task.n_counted >= target
    is_archived = Task.status == TaskStatus.ARCHIVED
    status = sa.case(
        (is_archived, TaskStatus.ARCHIVED.value), (is_enough, TaskStatus.DONE.value), else_=TaskStatus.OPEN.value
    )
    done_at = sa.case(
        (is_archived, Task.done_at), (is_enough, sa.func.coalesce(Task.done_at, sa.func.now())), else_=sa.null()
    )
    changed = session.execute(
        sa.update(Task)
        .where(
            Task.project_id == project_id,
            Task.kind == TaskKind.REGULAR,
            sa.or_(Task.n_target != target, sa.and_(Task.status == TaskStatus.OPEN, is_enough)),
        )
        .values(n_target=target, status=status, done_at=done_at)
        .execution_options(synchronize_session=False)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]
