"""Taking judgements in, so that each one is counted exactly once; skipping, giving back, keeping a lease.

One judgement is one row: the assignment has one first annotation, and the idempotency key is unique for its annotator.
Places are given out by app.annotation.handing_out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy.orm import Session

from app import audit
from app.annotation import answers, queries
from app.annotation.answers import Given
from app.annotation.queries import AssignmentRow
from app.annotation.schemas import Judgement, Skip
from app.database import after_commit
from app.domain import assignment as rules
from app.domain.overlap import wants_another
from app.domain.preferences import to_preferences
from app.errors import Conflict, Forbidden
from app.models import (
    Annotation,
    Assignment,
    AssignmentState,
    OverlapReason,
    Preference,
    Response,
    Standing,
    TaskKind,
    TaskStatus,
)
from app.projects.definitions import EDIT, AnswerSchema, Policy
from app.web.observability import JUDGEMENTS


class Submitted(NamedTuple):
    """`is_repeat`: it was here already; nothing was written."""

    annotation: Annotation
    is_repeat: bool


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
    given = _read(session, judgement, row)
    standing = _standing(row)
    annotation = queries.insert_annotation(
        session,
        project_id=assignment.project_id,
        task_id=assignment.task_id,
        assignment_id=assignment.id,
        annotator_id=assignment.annotator_id,
        **_stored(given, row),
        rationale=judgement.rationale,
        is_flagged=judgement.is_flagged,
        standing=standing,
        overlap_reason=_reason(row),
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
    _write_derived(session, annotation, given, row)
    queries.close(
        session,
        assignment_id=assignment.id,
        task_id=task.id,
        state=AssignmentState.SUBMITTED,
        now=now,
        frees_lease=_holds_place(assignment),
        adds_count=standing == Standing.COUNTED,
        asks_another=standing == Standing.COUNTED and _asks_another(session, row),
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


def _read(session: Session, judgement: Judgement, row: AssignmentRow) -> Given:
    return answers.read(
        judgement,
        AnswerSchema.model_validate(row.schema),
        shown=row.shown_ids,
        is_swapped=row.assignment.is_swapped,
        source_text=lambda response_id: queries.response_text(session, response_id),
    )


def _stored(given: Given, row: AssignmentRow) -> dict[str, Any]:
    """The columns of an annotation that hold what was said, and how the responses stood."""
    n_responses = len(row.response_ids)
    return {
        "choice": given.choice,
        "strength": given.strength,
        "answer": given.answer.to_json(),
        "is_swapped": row.assignment.is_swapped if n_responses == 2 else None,
        "shown_order": row.shown_order if n_responses > 2 else None,
    }


def _standing(row: AssignmentRow) -> Standing:
    assignment, task = row.assignment, row.task
    if assignment.overlap_reason == OverlapReason.RETEST:
        return Standing.RETEST
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


def _holds_place(assignment: Assignment) -> bool:
    """Whether its end gives a place back to the task; a hidden repeat has none."""
    return assignment.state == AssignmentState.OPEN and assignment.overlap_reason != OverlapReason.RETEST


def _reason(row: AssignmentRow) -> OverlapReason:
    """Why this vote was asked for. A late one fills the place that is free now, whatever its lease was for."""
    assignment, task = row.assignment, row.task
    if assignment.state == AssignmentState.OPEN or assignment.overlap_reason != OverlapReason.BASE:
        return assignment.overlap_reason
    overlap = Policy.model_validate(row.policy).overlap
    is_escalation = rules.is_escalation(place=task.n_counted, overlap=overlap, own_overlap=task.own_overlap)
    return OverlapReason.ESCALATION if is_escalation else OverlapReason.BASE


def _asks_another(session: Session, row: AssignmentRow) -> bool:
    """Whether the votes, now that all that were asked for are there, leave open which answer is right.

    Only the better of two has an answer that votes can make sure of; every other overlap is fixed.
    """
    task, policy = row.task, Policy.model_validate(row.policy)
    asked = AnswerSchema.model_validate(row.schema).pairwise
    if asked is None or len(row.response_ids) != 2:
        return False
    if task.n_counted + 1 < task.n_target or task.n_target >= policy.largest_overlap:
        return False
    votes, agreement = queries.votes_of_task(session, project_id=task.project_id, task_id=task.id)
    return wants_another(
        votes,
        agreement=agreement,
        strength_steps=asked.strength_steps,
        n_target=task.n_target,
        max_overlap=policy.largest_overlap,
    )


def _write_derived(session: Session, annotation: Annotation, given: Given, row: AssignmentRow) -> None:
    """The preferences that the judgement says, and the response that it wrote: an edit is preferred to its source."""
    found = answers.derive(given, AnswerSchema.model_validate(row.schema), response_ids=row.response_ids)
    group_id = uuid4() if len(row.response_ids) > 2 else None
    rows = [(each.preference, each.criterion, each.strength_steps, group_id) for each in found]
    edit, text = given.answer.edit, given.answer.demonstration
    if edit is not None or text is not None:
        written = Response(
            prompt_id=row.task.prompt_id,
            text=edit.text if edit is not None else text,
            annotation_id=annotation.id,
            author_id=annotation.annotator_id,
            edited_from_id=edit.source if edit is not None else None,
        )
        session.add(written)
        session.flush()
        if edit is not None:
            rows.append((to_preferences("first", 1, written.id, edit.source), EDIT, 1, None))
    session.add_all(
        Preference(
            annotation_id=annotation.id,
            low_response_id=preference.low_response_id,
            high_response_id=preference.high_response_id,
            signed_strength=preference.signed_strength,
            is_both_bad=preference.is_both_bad,
            criterion=criterion,
            strength_steps=steps,
            group_id=group,
        )
        for preference, criterion, steps, group in rows
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
    given = _read(session, judgement, row)
    annotation = queries.insert_annotation(
        session,
        project_id=assignment.project_id,
        task_id=assignment.task_id,
        assignment_id=assignment.id,
        annotator_id=assignment.annotator_id,
        **_stored(given, row),
        rationale=judgement.rationale,
        is_flagged=judgement.is_flagged,
        standing=first.standing,
        overlap_reason=first.overlap_reason,
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
    _write_derived(session, annotation, given, row)
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
        frees_lease=_holds_place(assignment),
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
        frees_lease=_holds_place(assignment),
    )
    audit.record(
        session,
        "assignment.return",
        actor_id=actor_id,
        project_id=assignment.project_id,
        target=assignment,
    )


def keep_lease(session: Session, *, row: AssignmentRow, now: datetime) -> datetime:
    """A heartbeat: this lease and those held ahead run on from now; returns their end. Conflict when it has ended."""
    assignment = row.assignment
    if assignment.state != AssignmentState.OPEN:
        raise Conflict(
            "Your time for this one ran out and it was handed on. Your answer will still be kept.", code="lease_ended"
        )
    expires_at = now + timedelta(minutes=Policy.model_validate(row.policy).lease_minutes)
    queries.renew(session, assignment, expires_at=expires_at)
    return expires_at


def expire_leases(session: Session, *, now: datetime, project_id: int | None = None, limit: int = 500) -> int:
    """End leases that ran out and give their places back; returns how many. Several at once do no harm."""
    return queries.close_stale(session, project_id=project_id, now=now, limit=limit)


def _refuse_judged(row: AssignmentRow) -> None:
    if row.assignment.state == AssignmentState.SUBMITTED:
        raise Conflict("You have already judged this one, and that answer was kept.", code="already_judged")
