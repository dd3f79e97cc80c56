"""Handing tasks out: the lease on a person's desk, from gold, from their own past, or from the queue.

One lease is one place: a task's n_counted + n_leased never passes its target, under the task's row lock. Hidden repeats
take no place. One annotator does one thing at a time: `queries.lock_annotator`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.annotation import queries
from app.annotation.queries import Lease
from app.domain import assignment as rules
from app.domain.assignment import Source
from app.models import Assignment, ProjectStatus
from app.projects.definitions import Policy

STALE_BATCH = 50
BEHIND_LOCKS = 3


class Nothing(StrEnum):
    """Why there is no task: closed, a quota reached, finished, in other hands, or only locked for this moment."""

    PAUSED = "paused"
    ARCHIVED = "archived"
    ENOUGH_TODAY = "enough_today"
    ENOUGH = "enough"
    NO_TASKS = "no_tasks"
    ALL_DONE = "all_done"
    OTHERS_AT_WORK = "others_at_work"
    NOTHING_FOR_YOU = "nothing_for_you"
    BUSY = "busy"


def next_assignment(
    session: Session,
    *,
    project_id: int,
    annotator_id: int,
    dice: rules.Dice,
    now: datetime,
    holds_locks: bool = False,
    ahead: int = 0,
) -> Assignment | Nothing:
    """The lease on this annotator's desk: the one they hold, or a new one, or the reason why there is none.

    `ahead` asks for the task after so many others, which the policy's prefetch must allow. `holds_locks` says that this
    transaction has locked the annotator and a task already (a submit): then what is locked is skipped, and BUSY said
    where waiting might find something. Asking again in a transaction of its own does.
    """
    if not holds_locks:
        queries.lock_annotator(session, annotator_id)
    desk = queries.desk(session, project_id=project_id, annotator_id=annotator_id, now=now)
    if desk.status != ProjectStatus.ACTIVE:
        return Nothing.PAUSED if desk.status == ProjectStatus.PAUSED else Nothing.ARCHIVED
    policy = Policy.model_validate(desk.policy)
    expires_at = now + timedelta(minutes=policy.lease_minutes)
    held = desk.own[min(ahead, policy.prefetch) :]
    if held and (held[0].expires_at > now or queries.renew(session, held[0], expires_at=expires_at)):
        return held[0]
    if rules.is_reached(rules.quota_of(policy.total_quota, desk.total_quota), desk.n_total + len(desk.own)):
        return Nothing.ENOUGH
    if rules.is_reached(rules.quota_of(policy.daily_quota, desk.daily_quota), desk.n_today + len(desk.own)):
        return Nothing.ENOUGH_TODAY
    lease = Lease(
        project_id=project_id,
        person=desk.person,
        guideline_version_id=desk.guideline_version_id,
        schema_version_id=desk.schema_version_id,
        policy_version_id=desk.policy_version_id,
        overlap=policy.overlap,
        slot=min(set(range(len(desk.own) + 1)) - {found.slot for found in desk.own}),
        leased_at=now,
        expires_at=expires_at,
    )
    gold_rate = rules.gold_rate(of_project=policy.gold_rate, of_person=desk.gold_rate)
    source = rules.draw_source(dice, gold_rate=gold_rate, repeat_rate=policy.repeat_rate)
    return _from_source(session, source, lease, dice) or _from_queue(session, lease, dice, may_wait=not holds_locks)


def _from_source(session: Session, source: Source, lease: Lease, dice: rules.Dice) -> Assignment | None:
    """A task with a known answer, or a hidden repeat, where one was drawn and is to be had."""
    if source == Source.GOLD:
        return queries.claim(session, lease, is_gold=True, is_swapped=rules.wants_swap(dice), may_wait=False)
    if source == Source.REPEAT:
        return queries.open_repeat(session, lease, fraction=dice.random())
    return None


def _from_queue(session: Session, lease: Lease, dice: rules.Dice, *, may_wait: bool) -> Assignment | Nothing:
    """A place in the queue. What is locked is skipped at first, and waited for only where nothing else is left."""
    is_swapped = rules.wants_swap(dice)

    def claim(*, may_wait: bool = False) -> Assignment | None:
        return queries.claim(session, lease, is_gold=False, is_swapped=is_swapped, may_wait=may_wait)

    found = claim()
    if found is not None:
        return found
    if queries.close_stale(session, project_id=lease.project_id, now=lease.leased_at, limit=STALE_BATCH):
        found = claim()
        if found is not None:
            return found
        may_wait = False  # the tasks of those leases are locked by us now
    left = queries.remaining(session, project_id=lease.project_id, person=lease.person)
    for _ in range(BEHIND_LOCKS if may_wait else 0):
        if not left.has_waiting:
            break
        found = claim(may_wait=True)
        if found is not None:
            return found
        left = queries.remaining(session, project_id=lease.project_id, person=lease.person)
    return why_nothing(left)


def why_nothing(left: queries.Remaining) -> Nothing:
    if left.has_waiting:
        return Nothing.BUSY
    if left.has_others_work:
        return Nothing.OTHERS_AT_WORK
    if left.has_open:
        return Nothing.NOTHING_FOR_YOU
    return Nothing.ALL_DONE if left.has_tasks else Nothing.NO_TASKS
