"""Numbers over several slices, read only: home, the overview of a project, the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.annotation.queries.eligibility import is_theirs, may_be_given, member
from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    Assignment,
    AssignmentState,
    AuditEvent,
    Job,
    LinkKind,
    Membership,
    OneTimeLink,
    Project,
    Role,
    Task,
    TaskKind,
    TaskStatus,
    User,
)
from app.models.task import IS_WAITING
from app.queue import ACTIVE
from app.queue import Job as JobKind

WAITING_SHOWN = 99
SAMPLE_LOCK = 4_201_002


def lock_sample(session: Session) -> None:
    """Whoever makes the sample project does so alone, until the transaction ends."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(SAMPLE_LOCK)))


@dataclass(frozen=True, slots=True)
class Progress:
    """Regular tasks of a project by state."""

    n_open: int = 0
    n_done: int = 0

    @property
    def n_tasks(self) -> int:
        return self.n_open + self.n_done

    @property
    def share(self) -> float:
        return self.n_done / self.n_tasks if self.n_tasks else 0.0


def progress_of(session: Session, project_ids: Sequence[int]) -> dict[int, Progress]:
    """Open and done tasks of each project, read from indexes alone: gold is counted apart and taken off the open."""
    states = (
        sa.select(Task.project_id, sa.cast(Task.status, sa.String).label("status"), sa.func.count().label("n"))
        .where(Task.project_id.in_(project_ids))
        .group_by(Task.project_id, Task.status)
    )
    gold = (
        sa.select(Task.project_id, sa.literal("gold"), sa.func.count())
        .where(Task.project_id.in_(project_ids), Task.kind == TaskKind.GOLD, Task.status == TaskStatus.OPEN)
        .group_by(Task.project_id)
    )
    counts: dict[int, dict[str, int]] = {}
    for project_id, status, n in session.execute(sa.union_all(states, gold)):
        counts.setdefault(project_id, {})[status] = n
    return {
        project_id: Progress(n_open=n.get("open", 0) - n.get("gold", 0), n_done=n.get("done", 0))
        for project_id, n in counts.items()
    }


@dataclass(frozen=True, slots=True)
class MyWork:
    """What a person has to do and has done in one project. `n_waiting` stops counting at WAITING_SHOWN + 1."""

    n_waiting: int
    n_judged: int
    has_open_lease: bool


def my_work(session: Session, annotator_id: int, project_ids: Sequence[int]) -> dict[int, MyWork]:
    """One statement for all projects; each project's count ends at a bound, so that a full queue costs no more."""
    waiting = (
        sa.select(sa.literal(1).label("one"))
        .where(Task.project_id == Project.id, sa.text(IS_WAITING), *may_be_given(member(annotator_id)))
        .limit(WAITING_SHOWN + 1)
        .correlate(Project, Membership)
        .subquery()
    )
    judged = sa.select(sa.func.count()).where(
        Annotation.annotator_id == annotator_id,
        Annotation.project_id == Project.id,
        Annotation.supersedes_id.is_(None),
    )
    lease = sa.exists().where(
        Assignment.project_id == Project.id,
        Assignment.annotator_id == annotator_id,
        Assignment.state == AssignmentState.OPEN,
    )
    statement = (
        sa.select(
            Project.id,
            sa.select(sa.func.count()).select_from(waiting).scalar_subquery(),
            judged.scalar_subquery(),
            lease,
        )
        .outerjoin(Membership, is_theirs(annotator_id))
        .where(Project.id.in_(project_ids))
    )
    return {row[0]: MyWork(*row[1:]) for row in session.execute(statement)}


@dataclass(frozen=True, slots=True)
class TaskNumbers:
    """A project's tasks and the judgements counted on them; gold is apart, outside overlap."""

    n_open: int
    n_done: int
    n_waiting: int
    n_archived: int
    n_gold: int
    n_leased: int
    n_counted: int
    n_wanted: int

    @property
    def n_tasks(self) -> int:
        return self.n_open + self.n_done

    @property
    def share(self) -> float:
        return self.n_counted / self.n_wanted if self.n_wanted else 0.0


def task_numbers(session: Session, project_id: int) -> TaskNumbers:
    """One pass over the project's tasks. Waiting: open, and not all the places that are left are leased."""
    regular, gold = Task.kind == TaskKind.REGULAR, Task.kind == TaskKind.GOLD
    is_open, is_done = Task.status == TaskStatus.OPEN, Task.status == TaskStatus.DONE
    is_archived = Task.status == TaskStatus.ARCHIVED
    has_place = Task.n_counted + Task.n_leased < Task.n_target

    def number(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count().filter(*conditions)

    def total(column: Any, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.coalesce(sa.func.sum(column).filter(*conditions), 0), sa.BigInteger)

    row = session.execute(
        sa.select(
            number(regular, is_open),
            number(regular, is_done),
            number(regular, is_open, has_place),
            number(is_archived),
            number(gold, is_open),
            total(Task.n_leased, Task.n_leased > 0),
            total(Task.n_counted, regular, sa.not_(is_archived)),
            total(Task.n_target, regular, sa.not_(is_archived)),
        ).where(Task.project_id == project_id)
    ).one()
    return TaskNumbers(*row)


@dataclass(frozen=True, slots=True)
class AnnotatorNumbers:
    """One annotator's judgements in a project (first revisions), under the pseudonym."""

    annotator_id: int
    pseudonym: str
    kind: AnnotatorKind
    n_votes: int
    n_today: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class VoteNumbers:
    """All judgements of a project, and those who gave most of them."""

    n_votes: int
    n_today: int
    n_annotators: int
    busiest: list[AnnotatorNumbers]


def vote_numbers(session: Session, project_id: int, *, today: datetime, limit: int = 12) -> VoteNumbers:
    """One pass over the project's judgements. `today` is the instant at which the project's day began."""
    n_votes = sa.func.count()
    n_today = sa.func.count().filter(Annotation.submitted_at >= today)
    by_annotator = (
        sa.select(
            Annotation.annotator_id,
            n_votes.label("n_votes"),
            n_today.label("n_today"),
            sa.func.max(Annotation.submitted_at).label("last_at"),
            sa.cast(sa.func.sum(n_votes).over(), sa.BigInteger).label("all_votes"),
            sa.cast(sa.func.sum(n_today).over(), sa.BigInteger).label("all_today"),
            sa.func.count().over().label("all_annotators"),
        )
        .where(Annotation.project_id == project_id, Annotation.supersedes_id.is_(None))
        .group_by(Annotation.annotator_id)
        .order_by(sa.desc("n_today"), sa.desc("n_votes"), Annotation.annotator_id)
        .limit(limit)
        .subquery()
    )
    rows = session.execute(
        sa.select(by_annotator, Annotator.pseudonym, Annotator.kind)
        .join(Annotator, Annotator.id == by_annotator.c.annotator_id)
        .order_by(by_annotator.c.n_today.desc(), by_annotator.c.n_votes.desc(), by_annotator.c.annotator_id)
    ).all()
    if not rows:
        return VoteNumbers(0, 0, 0, [])
    busiest = [
        AnnotatorNumbers(row.annotator_id, row.pseudonym, row.kind, row.n_votes, row.n_today, row.last_at)
        for row in rows
    ]
    return VoteNumbers(rows[0].all_votes, rows[0].all_today, rows[0].all_annotators, busiest)


@dataclass(frozen=True, slots=True)
class PeopleNumbers:
    """Who is in a project, and how many invitations wait to be accepted."""

    n_annotators: int
    n_reviewers: int
    n_admins: int
    n_invited: int


def people_numbers(session: Session, project_id: int) -> PeopleNumbers:
    invited = (
        sa.select(sa.func.count())
        .where(
            OneTimeLink.project_id == project_id,
            OneTimeLink.kind == LinkKind.INVITATION,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.revoked_at.is_(None),
            OneTimeLink.expires_at > sa.func.now(),
        )
        .scalar_subquery()
    )
    counts = [sa.func.count().filter(Membership.role == role) for role in (Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN)]
    row = session.execute(
        sa.select(*counts, invited).where(Membership.project_id == project_id, Membership.ended_at.is_(None))
    ).one()
    return PeopleNumbers(row[0], row[1], row[2], row[3])


# A preview is watched on its own page, and mail is nobody's to watch.
UNSEEN = (JobKind.PREVIEW_IMPORT, JobKind.SEND_MAIL)


def active_jobs(session: Session, project_id: int, *, limit: int = 5) -> list[Job]:
    """The newest jobs of the project that wait or run."""
    return list(
        session.scalars(
            sa.select(Job)
            .where(Job.project_id == project_id, Job.state.in_(ACTIVE), Job.kind.not_in(UNSEEN))
            .order_by(Job.id.desc())
            .limit(limit)
        )
    )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What the audit page is asked for; times are instants, `until` is the first one no longer shown."""

    project_id: int | None = None
    actions: tuple[str, ...] = ()
    actor_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event with what is needed to name its actor: the name for staff, the pseudonym for everybody else."""

    event: AuditEvent
    project_name: str | None
    actor_name: str | None
    actor_pseudonym: str | None
    is_staff: bool


def audit_rows(session: Session, wanted: AuditFilter, *, limit: int) -> list[AuditRow]:
    """Newest first. Staff: instance admins, and whoever is or was admin or reviewer where the deed was done."""
    staff_roles = (Role.ADMIN, Role.REVIEWER)
    was_staff = sa.exists().where(
        Membership.user_id == AuditEvent.actor_id,
        Membership.role.in_(staff_roles),
        sa.or_(Membership.project_id == AuditEvent.project_id, AuditEvent.project_id.is_(None)),
    )
    statement = (
        sa.select(
            AuditEvent,
            Project.name,
            User.name,
            Annotator.pseudonym,
            sa.or_(sa.func.coalesce(User.is_instance_admin, sa.false()), was_staff),
        )
        .outerjoin(Project, Project.id == AuditEvent.project_id)
        .outerjoin(User, User.id == AuditEvent.actor_id)
        .outerjoin(Annotator, Annotator.user_id == AuditEvent.actor_id)
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    if wanted.project_id is not None:
        statement = statement.where(AuditEvent.project_id == wanted.project_id)
    if wanted.actions:
        statement = statement.where(AuditEvent.action.in_(wanted.actions))
    if wanted.actor_id is not None:
        statement = statement.where(AuditEvent.actor_id == wanted.actor_id)
    if wanted.since is not None:
        statement = statement.where(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEvent.at < wanted.until)
    if wanted.before is not None:
        statement = statement.where(AuditEvent.id < wanted.before)
    return [AuditRow(*row) for row in session.execute(statement)]


def staff(session: Session, project_id: int | None, *, limit: int = 200) -> list[tuple[int, str]]:
    """(user id, name) of those whom the trail names: instance admins, and admins and reviewers of the project."""
    roles = sa.exists().where(
        Membership.user_id == User.id,
        Membership.role.in_((Role.ADMIN, Role.REVIEWER)),
        Membership.project_id == project_id if project_id is not None else sa.true(),
    )
    found = session.execute(
        sa.select(User.id, User.name)
        .where(sa.or_(User.is_instance_admin, roles))
        .order_by(sa.func.lower(User.name), User.id)
        .limit(limit)
    )
    return [(user_id, name) for user_id, name in found]
