"""Handing tasks out and taking judgements in, so that each one is counted exactly once.

Three things hold it together. One lease is one place: a task's n_counted + n_leased never passes its target, under
the task's row lock. One annotator does one thing at a time: `queries.lock_annotator`. One judgement is one row: the
assignment has one first annotation, and the idempotency key is unique for its annotator.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

from app import audit
from app.annotation import queries
from app.annotation.queries import AssignmentRow
from app.annotation.schemas import Judgement, Skip
from app.database import after_commit
from app.domain import assignment as rules
from app.domain.preferences import to_preferences
from app.errors import Conflict, Forbidden, Invalid
from app.models import (
    Annotation,
    Assignment,
    AssignmentState,
    OverlapReason,
    Preference,
    ProjectStatus,
    Standing,
    TaskKind,
    TaskStatus,
)
from app.projects.definitions import AnswerSchema, Policy
from app.web.observability import JUDGEMENTS

STALE_BATCH = 50
BEHIND_LOCKS = 3


class Nothing(StrEnum):
    """Why there is no task: closed by an admin, finished, in other hands, or only locked for this moment."""

    PAUSED = "paused"
    ARCHIVED = "archived"
    NO_TASKS = "no_tasks"
    ALL_DONE = "all_done"
    OTHERS_AT_WORK = "others_at_work"
    NOTHING_FOR_YOU = "nothing_for_you"
    BUSY = "busy"


class Submitted(NamedTuple):
    """`is_repeat`: it was here already; nothing was written."""

    annotation: Annotation
    is_repeat: bool


def next_assignment(
    session: Session,
    *,
    project_id: int,
    annotator_id: int,
    dice: rules.Dice,
    now: datetime,
    holds_locks: bool = False,
) -> Assignment | Nothing:
    """The lease on this annotator's desk: the one they hold, or a new one, or the reason why there is none.

    `holds_locks` says that this transaction has locked the annotator and a task already (a submit): then what is
    locked is skipped, and BUSY said where waiting might find something. Asking again in a transaction of its own does.
    """
    if not holds_locks:
        queries.lock_annotator(session, annotator_id)
    desk = queries.desk(session, project_id=project_id, annotator_id=annotator_id)
    if desk.status != ProjectStatus.ACTIVE:
        return Nothing.PAUSED if desk.status == ProjectStatus.PAUSED else Nothing.ARCHIVED
    policy = Policy.model_validate(desk.policy)
    lease = timedelta(minutes=policy.lease_minutes)
    if desk.own is not None and (
        desk.own.expires_at > now or queries.renew(session, desk.own.id, expires_at=now + lease)
    ):
        return desk.own

    task_id, reason = _claim_gold(session, project_id, annotator_id, policy=policy, dice=dice), OverlapReason.GOLD
    if task_id is None:
        found = _claim_waiting(session, project_id, annotator_id, now=now, may_wait=not holds_locks)
        if isinstance(found, Nothing):
            return found
        task_id, reason = found, OverlapReason.BASE
    return queries.open_assignment(
        session,
        project_id=project_id,
        task_id=task_id,
        annotator_id=annotator_id,
        reason=reason,
        desk=desk,
        is_swapped=rules.wants_swap(dice),
        now=now,
        lease=lease,
    )


def _claim_gold(
    session: Session, project_id: int, annotator_id: int, *, policy: Policy, dice: rules.Dice
) -> int | None:
    """Now and then a task with a known answer that this annotator has not seen; None most of the time."""
    if not rules.wants_gold(dice, policy.gold_rate):
        return None
    unseen = queries.unseen_gold(project_id=project_id, annotator_id=annotator_id)
    return queries.claim(session, unseen, may_wait=False)


def _claim_waiting(
    session: Session, project_id: int, annotator_id: int, *, now: datetime, may_wait: bool
) -> int | Nothing:
    """A place in the queue. What is locked is skipped at first, and waited for only where nothing else is left."""
    waiting = queries.waiting_tasks(project_id=project_id, annotator_id=annotator_id)
    task_id = queries.claim(session, waiting, may_wait=False)
    if task_id is not None:
        return task_id
    if queries.close_stale(session, project_id=project_id, now=now, limit=STALE_BATCH):
        task_id = queries.claim(session, waiting, may_wait=False)
        if task_id is not None:
            return task_id
        may_wait = False  # the tasks of those leases are locked by us now
    left = queries.remaining(session, project_id=project_id, annotator_id=annotator_id)
    for _ in range(BEHIND_LOCKS if may_wait else 0):
        if not left.has_waiting:
            break
        task_id = queries.claim(session, waiting, may_wait=True)
        if task_id is not None:
            return task_id
        left = queries.remaining(session, project_id=project_id, annotator_id=annotator_id)
    return why_nothing(left)


def why_nothing(left: queries.Remaining) -> Nothing:
    if left.has_waiting:
        return Nothing.BUSY
    if left.has_others_work:
        return Nothing.OTHERS_AT_WORK
    if left.has_open:
        return Nothing.NOTHING_FOR_YOU
    return Nothing.ALL_DONE if left.has_tasks else Nothing.NO_TASKS


def submit_annotation(
    session: Session,
    *,
    row: AssignmentRow,
    judgement: Judgement,
    idempotency_key: str = "",
    actor_id: int | None,
    now: datetime,
) -> Submitted:
    """Take the first judgement of an assignment whose rows are locked; `actor_id` None is a simulation's.

    Sent again it gives the row that is there. Raises Conflict for the same key or assignment with another answer, and
    for a task that this person skipped; Invalid for an answer that the schema does not allow.
    """
    assignment, task = row.assignment, row.task
    fingerprint = judgement.fingerprint(assignment.public_id)
    if assignment.state == AssignmentState.SUBMITTED:
        return Submitted(_same_again(session, row, fingerprint, idempotency_key), is_repeat=True)
    if assignment.state == AssignmentState.SKIPPED:
        raise Conflict("You skipped this one, so it takes no answer any more.", code="skipped")
    choice, strength = _as_stored(judgement, row)
    standing = _standing(row)
    annotation = queries.insert_annotation(
        session,
        project_id=assignment.project_id,
        task_id=assignment.task_id,
        assignment_id=assignment.id,
        annotator_id=assignment.annotator_id,
        choice=choice,
        strength=strength,
        rationale=judgement.rationale,
        is_flagged=judgement.is_flagged,
        standing=standing,
        overlap_reason=assignment.overlap_reason,
        is_swapped=assignment.is_swapped,
        guideline_version_id=assignment.guideline_version_id,
        schema_version_id=assignment.schema_version_id,
        policy_version_id=assignment.policy_version_id,
        started_at=assignment.leased_at,
        submitted_at=now,
        active_ms=judgement.active_ms,
        idle_ms=judgement.idle_ms,
        idempotency_key=idempotency_key or first_key(assignment),
        judgement_hash=fingerprint,
    )
    if annotation is None:
        raise key_reused()
    _write_preference(session, annotation, row)
    queries.close(
        session,
        assignment_id=assignment.id,
        task_id=task.id,
        state=AssignmentState.SUBMITTED,
        now=now,
        frees_lease=assignment.state == AssignmentState.OPEN,
        adds_count=standing == Standing.COUNTED,
    )
    audit.record(
        session,
        "annotation.submit",
        actor_id=actor_id,
        project_id=assignment.project_id,
        target=annotation,
        standing=standing.value,
    )
    after_commit(session, JUDGEMENTS.labels(standing.value).inc)
    return Submitted(annotation, is_repeat=False)


def first_key(assignment: Assignment) -> str:
    """The key of a form that has none of its own: the assignment takes one first judgement anyway."""
    return str(assignment.public_id)


def key_reused() -> Conflict:
    return Conflict(
        "This was sent before with another answer, and the first one was kept. Open it from your history to change it.",
        code="idempotency_conflict",
    )


def _same_again(session: Session, row: AssignmentRow, fingerprint: str, key: str) -> Annotation:
    """The judgement that an honest retry meets: by its key, or the first one with the same content."""
    chain = queries.annotations_of(session, row.assignment.id)
    by_key = [found for found in chain if key and found.idempotency_key == key]
    found = by_key[0] if by_key else chain[-1]
    if found.judgement_hash == fingerprint:
        return found
    if by_key:
        raise key_reused()
    raise Conflict(
        "You have already judged this one, and that answer was kept. Open it from your history to change it.",
        code="already_judged",
    )


def _as_stored(judgement: Judgement, row: AssignmentRow) -> tuple[str, int]:
    schema = AnswerSchema.model_validate(row.schema)
    choice, strength = rules.from_shown(judgement.answer, is_swapped=row.assignment.is_swapped)
    if strength > schema.strength_steps:
        raise Invalid("Choose a point of the scale between the two responses.", field="answer")
    if choice == "tie" and not schema.allows_tie:
        raise Invalid("Ties are not allowed in this project. Choose a side.", field="answer")
    if choice == "both_bad" and not schema.allows_both_bad:
        raise Invalid("“Both bad” is not an answer in this project. Choose a side.", field="answer")
    if schema.requires_rationale and not judgement.rationale:
        raise Invalid("Please give your reasons; this project asks for them.", field="rationale")
    return choice, strength


def _standing(row: AssignmentRow) -> Standing:
    assignment, task = row.assignment, row.task
    if task.kind == TaskKind.GOLD or assignment.overlap_reason == OverlapReason.GOLD:
        return Standing.GOLD
    has_lease = assignment.state == AssignmentState.OPEN
    if task.status == TaskStatus.ARCHIVED and not has_lease:
        return Standing.LATE
    counted = rules.is_counted(
        has_lease=has_lease,
        n_counted=task.n_counted,
        n_leased_by_others=task.n_leased - int(has_lease),
        n_target=task.n_target,
    )
    return Standing.COUNTED if counted else Standing.LATE


def _write_preference(session: Session, annotation: Annotation, row: AssignmentRow) -> None:
    first, second = row.response_ids[:2]
    derived = to_preferences(annotation.choice, annotation.strength, first, second)
    session.add(
        Preference(
            annotation_id=annotation.id,
            low_response_id=derived.low_response_id,
            high_response_id=derived.high_response_id,
            signed_strength=derived.signed_strength,
            is_both_bad=derived.is_both_bad,
        )
    )


def edit_deadline(first: Annotation, policy: Policy) -> datetime:
    """Until when an own judgement may be edited, counted from when it was first given."""
    return first.submitted_at + timedelta(hours=policy.edit_hours)


def editable(session: Session, *, row: AssignmentRow, now: datetime) -> Annotation:
    """The newest revision of an own judgement that may still be changed; raises Conflict or Forbidden."""
    chain = queries.annotations_of(session, row.assignment.id)
    if not chain:
        raise Conflict("There is no judgement to change yet.", code="not_judged")
    _refuse_late_edit(row, chain[-1], now)
    return chain[0]


def _refuse_late_edit(row: AssignmentRow, first: Annotation, now: datetime) -> None:
    policy = Policy.model_validate(row.policy)
    if now > edit_deadline(first, policy):
        raise Forbidden(
            "Judgements can be changed for %(hours)s hours; this one stays as it is.",
            hours=policy.edit_hours,
            code="edit_window_over",
        )


def revise_annotation(
    session: Session,
    *,
    row: AssignmentRow,
    judgement: Judgement,
    revision: int,
    idempotency_key: str = "",
    actor_id: int | None,
    now: datetime,
) -> Submitted:
    """Append to an own judgement the one that replaces `revision`; counts and standing stay those of the first.

    A gold answer may be revised like any other, or editing would tell which ones are gold; it is scored by its first.
    Raises Conflict when somebody's other window has revised it meanwhile, Forbidden when the time for edits is over.
    """
    assignment = row.assignment
    chain = queries.annotations_of(session, assignment.id)
    if not chain:
        raise Conflict("There is no judgement to change yet.", code="not_judged")
    newest, first = chain[0], chain[-1]
    fingerprint = judgement.fingerprint(assignment.public_id)
    key = idempotency_key or revision_key(assignment, revision)
    for known in chain:
        if known.idempotency_key == key:
            if known.judgement_hash == fingerprint:
                return Submitted(known, is_repeat=True)
            raise key_reused()
    if revision != newest.revision:
        raise Conflict(
            "This judgement was changed in another window meanwhile, and that change was kept. "
            "Open it again from your history.",
            code="revised_meanwhile",
        )
    _refuse_late_edit(row, first, now)
    choice, strength = _as_stored(judgement, row)
    annotation = queries.insert_annotation(
        session,
        project_id=assignment.project_id,
        task_id=assignment.task_id,
        assignment_id=assignment.id,
        annotator_id=assignment.annotator_id,
        choice=choice,
        strength=strength,
        rationale=judgement.rationale,
        is_flagged=judgement.is_flagged,
        standing=first.standing,
        overlap_reason=first.overlap_reason,
        is_swapped=assignment.is_swapped,
        guideline_version_id=queries.newest_guideline_id(session, assignment.project_id),
        schema_version_id=first.schema_version_id,
        policy_version_id=first.policy_version_id,
        started_at=None,
        submitted_at=now,
        active_ms=judgement.active_ms,
        idle_ms=judgement.idle_ms,
        revision=newest.revision + 1,
        supersedes_id=newest.id,
        idempotency_key=key,
        judgement_hash=fingerprint,
    )
    if annotation is None:
        raise key_reused()
    _write_preference(session, annotation, row)
    audit.record(
        session,
        "annotation.revise",
        actor_id=actor_id,
        project_id=assignment.project_id,
        target=annotation,
        revision=annotation.revision,
    )
    return Submitted(annotation, is_repeat=False)


def revision_key(assignment: Assignment, revision: int) -> str:
    """The key of an edit of `revision` that brings none: of two edits of the same revision, one is the first."""
    return f"{assignment.public_id}:{revision + 1}"


def skip_assignment(session: Session, *, row: AssignmentRow, skip: Skip, actor_id: int | None, now: datetime) -> None:
    """Give the place back for good: this person is not asked again. Skipping twice changes nothing."""
    assignment = row.assignment
    if assignment.state == AssignmentState.SKIPPED:
        return
    _refuse_judged(row)
    queries.close(
        session,
        assignment_id=assignment.id,
        task_id=row.task.id,
        state=AssignmentState.SKIPPED,
        now=now,
        frees_lease=assignment.state == AssignmentState.OPEN,
        skip_reason=skip.reason,
        skip_note=skip.note or None,
    )
    audit.record(
        session,
        "assignment.skip",
        actor_id=actor_id,
        project_id=assignment.project_id,
        target=assignment,
        reason=skip.reason,
    )


def return_assignment(session: Session, *, row: AssignmentRow, actor_id: int | None, now: datetime) -> None:
    """Put the task back into the queue; it may come again. Nothing to do when the lease has ended already."""
    assignment = row.assignment
    if assignment.state != AssignmentState.OPEN:
        return
    queries.close(
        session,
        assignment_id=assignment.id,
        task_id=row.task.id,
        state=AssignmentState.RETURNED,
        now=now,
        frees_lease=True,
    )
    audit.record(
        session,
        "assignment.return",
        actor_id=actor_id,
        project_id=assignment.project_id,
        target=assignment,
    )


def keep_lease(session: Session, *, row: AssignmentRow, now: datetime) -> datetime:
    """A heartbeat: the lease runs on from now; returns its new end. Raises Conflict when it has ended."""
    assignment = row.assignment
    if assignment.state != AssignmentState.OPEN:
        raise Conflict(
            "Your time for this one ran out and it was handed on. Your answer will still be kept.", code="lease_ended"
        )
    expires_at = now + timedelta(minutes=Policy.model_validate(row.policy).lease_minutes)
    queries.renew(session, assignment.id, expires_at=expires_at)
    return expires_at


def expire_leases(session: Session, *, now: datetime, project_id: int | None = None, limit: int = 500) -> int:
    """End leases that ran out and give their places back; returns how many. Several at once do no harm."""
    return queries.close_stale(session, project_id=project_id, now=now, limit=limit)


def _refuse_judged(row: AssignmentRow) -> None:
    if row.assignment.state == AssignmentState.SUBMITTED:
        raise Conflict("You have already judged this one, and that answer was kept.", code="already_judged")
