"""The task list, a task in full, and the deeds on tasks: each checks, changes, and leaves an audit row."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.orm import Session

from app import audit
from app.errors import Conflict, Invalid
from app.models import Choice, GoldAnswer, Task, TaskKind, TaskStatus
from app.review import cursors
from app.review.queries import deeds, detail, listing
from app.review.queries.conditions import conditions
from app.review.queries.deeds import TaskIds
from app.review.schemas import (
    MAX_TAGS,
    BulkDeed,
    BulkForm,
    BulkResult,
    EventShown,
    GoldShown,
    LeaseShown,
    ResponseShown,
    SiblingShown,
    TaskDetail,
    TaskListQuery,
    TaskPage,
    TaskRow,
    VoteHint,
    VoteShown,
)

LOCK_ATTEMPTS = 12
POLLS = 5
POLL_SECONDS = 0.02


def list_tasks(session: Session, *, project_id: int, wanted: TaskListQuery) -> TaskPage:
    """One page of the tasks that match; Invalid for a cursor that is damaged or of another order."""
    cursor = cursors.decode(wanted.cursor, sort=wanted.sort) if wanted.cursor else None
    annotator_id = listing.prepare(session, annotator=wanted.annotator, has_words=wanted.q is not None)
    found = conditions(project_id, wanted, annotator_id=annotator_id)
    window = listing.Window(wanted.sort, cursor, wanted.size + 1)
    met = listing.count_and_cut(session, found, window)
    is_capped = met.total > listing.COUNT_LIMIT
    places = listing.walk(session, found, window) if is_capped else met.places
    goes_on = len(places) > wanted.size
    places = places[: wanted.size]
    if window.is_backwards:
        places.reverse()
    rows = listing.rows(session, [row_id for _key, row_id in places])
    has_next = goes_on or window.is_backwards
    has_previous = goes_on if window.is_backwards else cursor is not None
    return TaskPage(
        # A task that was removed between the two statements is left out.
        items=[_row(rows[row_id]) for _key, row_id in places if row_id in rows],
        total=min(met.total, listing.COUNT_LIMIT),
        is_capped=is_capped,
        next_cursor=cursors.Cursor(wanted.sort, "next", *places[-1]).encode() if places and has_next else None,
        previous_cursor=cursors.Cursor(wanted.sort, "previous", *places[0]).encode()
        if places and has_previous
        else None,
    )


def _row(found: Any) -> TaskRow:
    task: Task = found.Task
    return TaskRow(
        **_task_values(task),
        external_id=found.external_id,
        excerpt=" ".join(found.excerpt.split()),
        votes=VoteHint(**{choice.value: getattr(found, choice.value) for choice in Choice}),
    )


def _task_values(task: Task) -> dict[str, Any]:
    names = ("id", "kind", "status", "priority", "n_counted", "n_target", "n_leased", "domain", "language", "tags")
    return {name: getattr(task, name) for name in (*names, "created_at", "due_at")}


def facets(session: Session, project_id: int) -> listing.Facets:
    return listing.facets(session, project_id)


def show_task(session: Session, task: Task) -> TaskDetail:
    """The task with its prompt, responses, all votes and leases, known answer, and what was done to it."""
    prompt = detail.prompt(session, task.prompt_id)
    votes = [_vote(*row) for row in detail.votes(session, task.id)]
    standing = [vote.choice for vote in votes if vote.superseded_by is None and vote.standing in ("counted", "gold")]
    gold = detail.gold(session, task.id)
    return TaskDetail(
        **_task_values(task),
        external_id=prompt.external_id,
        excerpt=" ".join(prompt.search_text[: listing.EXCERPT_CHARACTERS].split()),
        votes=VoteHint(**{choice.value: standing.count(choice) for choice in Choice}),
        prompt=prompt.content,
        meta=prompt.meta,
        batch_id=prompt.batch_id,
        done_at=task.done_at,
        responses=[
            ResponseShown(id=response.id, position=position, text=response.text, model=response.model)
            for response, position in detail.responses(session, task.id)
        ],
        judgements=votes,
        leases=[_lease(*row) for row in detail.leases(session, task.id)],
        gold=GoldShown(choice=gold.choice, explanation=gold.explanation, created_at=gold.created_at) if gold else None,
        events=[
            EventShown(at=event.at, actor=pseudonym, via=event.via, action=event.action, detail=event.detail)
            for event, pseudonym in detail.events(session, task.id)
        ],
        siblings=[SiblingShown(id=row.id, status=row.status) for row in detail.siblings(session, task)],
    )


def _vote(annotation: Any, annotator: Any, guideline_version: int | None, superseded_by: int | None) -> VoteShown:
    left = {None: None, False: "first", True: "second"}[annotation.is_swapped]
    names = ("id", "choice", "strength", "answer", "rationale", "is_flagged", "started_at", "submitted_at", "active_ms")
    return VoteShown(
        **{name: getattr(annotation, name) for name in (*names, "idle_ms", "revision")},
        annotator=annotator.pseudonym,
        annotator_kind=annotator.kind,
        shown_left=left,
        standing=annotation.standing,
        overlap_reason=annotation.overlap_reason,
        guideline_version=guideline_version,
        superseded_by=superseded_by,
    )


def _lease(assignment: Any, annotator: Any) -> LeaseShown:
    names = ("state", "overlap_reason", "leased_at", "expires_at", "closed_at", "skip_reason", "skip_note")
    return LeaseShown(
        **{name: getattr(assignment, name) for name in names},
        annotator=annotator.pseudonym,
        annotator_kind=annotator.kind,
    )


def set_priority(session: Session, task: Task, *, priority: int, actor_id: int) -> None:
    _lock(session, task)
    before = task.priority
    task.priority = priority
    _record(session, "task.set_priority", task, actor_id, before=before, after=priority)


def set_tags(session: Session, task: Task, *, tags: list[str], actor_id: int) -> None:
    _lock(session, task)
    before = task.tags
    task.tags = tags
    _record(session, "task.set_tags", task, actor_id, before=before, after=tags)


def requeue(session: Session, task: Task, *, judgements: int, actor_id: int) -> None:
    """Ask for more judgements; Conflict for gold, which is outside overlap, and for an archived task."""
    _lock(session, task)
    if task.kind == TaskKind.GOLD:
        raise Conflict("This is a gold task: everybody may judge it, so there is nothing to ask for.", code="is_gold")
    if task.status == TaskStatus.ARCHIVED:
        raise Conflict("This task is archived. Restore it before asking for judgements.", code="task_archived")
    before = task.n_target
    if not deeds.requeue(session, deeds.these(task.project_id, [task.id]), judgements):
        raise Invalid(
            "A task takes at most %(most)s judgements. Nothing was changed.", most=deeds.MAX_TARGET, field="judgements"
        )
    session.refresh(task)
    _record(session, "task.requeue", task, actor_id, judgements=judgements, before=before, after=task.n_target)


def archive(session: Session, task: Task, *, actor_id: int) -> None:
    """Take a task out of work and end its open leases; once more changes nothing."""
    _lock(session, task)
    changed, returned = _archive(session, deeds.these(task.project_id, [task.id]))
    session.refresh(task)
    if changed:
        _record(session, "task.archive", task, actor_id, leases_returned=returned)


def restore(session: Session, task: Task, *, actor_id: int) -> None:
    """Back into work, or to done where nothing is missing; once more changes nothing."""
    _lock(session, task)
    if deeds.restore(session, deeds.these(task.project_id, [task.id])):
        session.refresh(task)
        _record(session, "task.restore", task, actor_id, status=task.status.value)


def _archive(session: Session, these: TaskIds) -> tuple[list[int], int]:
    """(ids of the tasks changed, leases returned) of tasks that are locked."""
    changed = deeds.archive(session, these)
    returned = deeds.return_leases(session, these)
    for _ in range(POLLS):  # a lease may be locked for a moment only, by the page's heartbeat
        if not deeds.n_leases(session, these):
            break
        time.sleep(POLL_SECONDS)
        returned += deeds.return_leases(session, these)
    return changed, returned


def mark_gold(session: Session, task: Task, *, choice: Choice, explanation: str, actor_id: int) -> None:
    """Give the task a known answer; Conflict once somebody has judged it or has it on the desk."""
    _lock_unjudged(session, task)
    if len(detail.responses(session, task.id)) != 2:
        raise Conflict("A known answer is a choice of two, and this task has no two responses.", code="no_pair")
    answer = detail.gold(session, task.id)
    before = answer.choice if answer else None
    if answer is None:
        answer = GoldAnswer(task_id=task.id, created_by_id=actor_id)
        session.add(answer)
    answer.choice, answer.explanation = choice.value, explanation
    task.kind = TaskKind.GOLD
    if task.status == TaskStatus.DONE:
        task.status, task.done_at = TaskStatus.OPEN, None
    _record(session, "task.mark_gold", task, actor_id, before=before, after=choice.value)


def unmark_gold(session: Session, task: Task, *, actor_id: int) -> None:
    """Make it a regular task again; Conflict once somebody has judged it. A regular task stays as it is."""
    if task.kind == TaskKind.REGULAR:
        return
    _lock_unjudged(session, task)
    answer = detail.gold(session, task.id)
    deeds.forget_gold_answer(session, task.id)
    task.kind = TaskKind.REGULAR
    _record(session, "task.unmark_gold", task, actor_id, before=answer.choice if answer else None)


def _lock(session: Session, task: Task) -> None:
    deeds.take_turn(session, task.project_id)
    detail.task_of_project(session, task.project_id, task.id, lock=True)


def _lock_unjudged(session: Session, task: Task) -> None:
    _lock(session, task)
    if detail.has_votes(session, task.id):
        raise Conflict(
            "Somebody has judged this task already, so whether it is gold cannot change any more.", code="has_votes"
        )
    if task.n_leased:
        raise Conflict("Somebody has this task on the desk just now. Try again when it is back.", code="is_leased")


def _record(session: Session, action: str, task: Task, actor_id: int, **detail_values: Any) -> None:
    session.flush()
    audit.record(session, action, actor_id=actor_id, project_id=task.project_id, target=task, **detail_values)


def count_bulk(session: Session, *, project_id: int, form: BulkForm) -> int:
    """Exactly how many tasks the deed would be asked of."""
    return len(_matching(session, project_id, form))


def apply_bulk(session: Session, *, project_id: int, form: BulkForm, actor_id: int) -> BulkResult:
    """Do it in one statement. Conflict when the filter meets another number of tasks than `expected`.

    Each of the selected tasks gets an audit row; all that match a filter get one together, which names the filter.
    """
    deeds.take_turn(session, project_id)
    ids = _matching(session, project_id, form)
    if form.expected is not None and form.expected != len(ids):
        raise Conflict(
            "%(now)s tasks match now, and not %(before)s as before. Nothing was changed; look again and confirm the "
            "new number.",
            now=len(ids),
            before=form.expected,
            code="count_changed",
        )
    these = deeds.these(project_id, ids)
    _lock_all(session, these, len(ids))
    changed, values = _bulk(session, project_id, these, form)
    if form.scope == "selected":
        for row in detail.tasks(session, changed):
            audit.record(session, f"task.{form.deed}", actor_id=actor_id, project_id=project_id, target=row, **values)
    else:
        values |= {"filter": form.filter.given(), "matched": len(ids), "changed": len(changed)}
        audit.record(session, f"tasks.{form.deed}", actor_id=actor_id, project_id=project_id, **values)
    return BulkResult(matched=len(ids), changed=len(changed))


def _lock_all(session: Session, these: TaskIds, n: int) -> None:
    """Lock all of them or none, without ever waiting for one while others are held; Conflict where that fails.

    Annotators hold a task for some milliseconds. What is not free is asked for again a few times; then all are let go,
    since somebody may be waiting for one of ours, and it begins anew.
    """
    for attempt in range(LOCK_ATTEMPTS):
        held = session.begin_nested()
        found = len(deeds.lock(session, these))
        for _ in range(POLLS):
            if found == n:
                break
            time.sleep(POLL_SECONDS)
            found = len(deeds.lock(session, these))
        if found == n:
            held.commit()
            return
        held.rollback()
        time.sleep(POLL_SECONDS * (1 + attempt))
    raise Conflict(
        "People are at work on these tasks just now, so that they could not be changed together. Nothing was changed; "
        "try again in a moment.",
        code="tasks_busy",
    )


def _matching(session: Session, project_id: int, form: BulkForm) -> list[int]:
    """The ids, once and for all: what the deed changes must not change which tasks it is done to."""
    if form.scope == "selected":
        return deeds.ids(session, deeds.these(project_id, form.ids))
    annotator_id = listing.prepare(session, annotator=form.filter.annotator, has_words=False)
    return deeds.ids(session, conditions(project_id, form.filter, annotator_id=annotator_id).matching())


def _bulk(session: Session, project_id: int, these: TaskIds, form: BulkForm) -> tuple[list[int], dict[str, Any]]:
    """(ids of the tasks changed, what the audit trail says of it)"""
    match form.deed:
        case BulkDeed.PRIORITY:
            return deeds.set_priority(session, these, form.priority or 0), {"after": form.priority}
        case BulkDeed.DUE:
            due_at = deeds.end_of_day(session, project_id, form.due) if form.due is not None else None
            return deeds.set_due(session, these, due_at), {"due": form.due.isoformat() if form.due else None}
        case BulkDeed.REQUEUE:
            return deeds.requeue(session, these, form.judgements or 1), {"judgements": form.judgements}
        case BulkDeed.ARCHIVE:
            changed, returned = _archive(session, these)
            return changed, {"leases_returned": returned}
        case BulkDeed.RESTORE:
            return deeds.restore(session, these), {}
        case BulkDeed.ADD_TAG:
            return deeds.add_tag(session, these, form.tag or "", most=MAX_TAGS), {"tag": form.tag}
        case BulkDeed.REMOVE_TAG:
            return deeds.remove_tag(session, these, form.tag or ""), {"tag": form.tag}
