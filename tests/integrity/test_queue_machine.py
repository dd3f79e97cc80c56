"""The queue as a state machine: whatever people do in whatever order, its promises always hold.

Gold, hidden repeats, further judgements on disagreement, priorities and a task for some people only are all in it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.annotation.handing_out import Nothing
from app.annotation.queries import queue
from app.errors import Conflict
from app.models import (
    Annotation,
    Assignment,
    AssignmentState,
    Membership,
    OverlapReason,
    ProjectStatus,
    Standing,
    Task,
    TaskKind,
    TaskStatus,
)
from app.projects.definitions import Policy
from tests.app.annotation.desk import Clerk
from tests.support.factories import Factory

pytestmark = pytest.mark.integrity

PEOPLE = st.integers(0, 3)
PICK = st.integers(0, 11)
MOST = 3
LAWYERS = (0, 1, 2)
FROM_THE_QUEUE = (OverlapReason.BASE, OverlapReason.ESCALATION)
ANSWERS = st.sampled_from([-3, -1, 0, 2, "both_bad"])


class Queue(RuleBasedStateMachine):
    """Four people, four tasks (one gold, one urgent and for lawyers), the clock, an admin who pauses and asks more."""

    session = None

    @initialize(seed=st.integers(0, 10_000), overlaps=st.lists(st.integers(1, 2), min_size=2, max_size=2))
    def start(self, seed, overlaps):
        self.make = Factory(self.session)
        policy = Policy(overlap=1, max_overlap=MOST, gold_rate=0.2, repeat_rate=0.2, edit_hours=720)
        self.project = self.make.project(policy=policy)
        self.people = [self.make.annotator(self.make.member(self.project)) for _ in range(4)]
        self.session.execute(
            sa.update(Membership)
            .where(Membership.project_id == self.project.id, Membership.user_id.in_(self.user_ids(LAWYERS)))
            .values(skills=["law"])
        )
        self.tasks = [self.make.task(self.project, overlap=overlap) for overlap in overlaps]
        self.tasks.append(self.make.task(self.project, overlap=2, priority=5, tags=["skill:law"]))
        self.tasks.append(self.make.task(self.project, gold="first"))
        self.clerk = Clerk(self.session, seed=seed)
        self.acknowledged = {}
        self.n_more = 0

    def teardown(self):
        self.session.rollback()

    def user_ids(self, people):
        return [self.people[person].user_id for person in people]

    def tasks_for(self, person):
        """Regular open tasks that this person may be given."""
        closed = (AssignmentState.OPEN, AssignmentState.SUBMITTED, AssignmentState.SKIPPED)
        seen = {
            found.task_id
            for found in self.assignments(person)
            if found.state in closed and found.overlap_reason != OverlapReason.RETEST
        }
        tasks = self.session.scalars(
            sa.select(Task)
            .where(Task.project_id == self.project.id, Task.kind == TaskKind.REGULAR, Task.status == TaskStatus.OPEN)
            .execution_options(populate_existing=True)
        ).all()
        return [task for task in tasks if task.id not in seen and (not task.tags or person in LAWYERS)]

    def assignments(self, person):
        return self.session.scalars(
            sa.select(Assignment)
            .where(Assignment.project_id == self.project.id, Assignment.annotator_id == self.people[person].id)
            .order_by(Assignment.id)
            .execution_options(populate_existing=True)
        ).all()

    def any_of(self, pick, *states):
        """One of everybody's assignments, of those in `states` where any are named."""
        found = [one for person in range(4) for one in self.assignments(person) if not states or one.state in states]
        return found[pick % len(found)] if found else None

    @rule(person=PEOPLE)
    def ask(self, person):
        held = {found.id for found in self.assignments(person) if found.state == AssignmentState.OPEN}
        places = [task for task in self.tasks_for(person) if task.n_counted + task.n_leased < task.n_target]
        urgent = max((task.priority for task in places), default=None)
        found = self.clerk.next(self.project, self.people[person])
        if isinstance(found, Nothing):
            self.nobody_is_sent_away_while_work_waits(person, found)
        else:
            assert found.state == AssignmentState.OPEN
            assert found.expires_at > self.clerk.now
            task = self.session.get(Task, found.task_id)
            assert not task.tags or person in LAWYERS
            if found.id not in held and urgent is not None and found.overlap_reason in FROM_THE_QUEUE:
                assert task.priority == urgent

    @rule()
    def all_ask(self):
        for person in range(4):
            self.ask(person)

    def nobody_is_sent_away_while_work_waits(self, person, reason):
        is_open = self.session.scalars(
            sa.select(Task.id).where(
                Task.project_id == self.project.id, Task.kind == TaskKind.REGULAR, Task.status == TaskStatus.OPEN
            )
        ).all()
        for_them = self.tasks_for(person)
        assert not [task for task in for_them if task.n_counted + task.n_leased < task.n_target]
        expected = Nothing.OTHERS_AT_WORK if for_them else Nothing.NOTHING_FOR_YOU if is_open else Nothing.ALL_DONE
        assert reason is expected

    @rule(pick=PICK, answer=ANSWERS)
    def judge(self, pick, answer):
        self.answer(self.any_of(pick), answer)

    @rule(pick=PICK, answer=ANSWERS)
    def judge_what_lies_on_a_desk(self, pick, answer):
        self.answer(self.any_of(pick, AssignmentState.OPEN), answer)

    @rule(pick=PICK, answer=ANSWERS)
    def judge_late(self, pick, answer):
        self.answer(self.any_of(pick, AssignmentState.EXPIRED, AssignmentState.RETURNED), answer)

    @rule(answer=ANSWERS)
    def all_let_it_run_out_ask_again_and_one_comes_late(self, answer):
        for person in range(4):
            self.ask(person)
        self.let_all_leases_run_out()
        for person in range(3, -1, -1):
            self.ask(person)
        self.answer(self.any_of(0, AssignmentState.EXPIRED), answer)

    def answer(self, assignment, answer):
        if assignment is None:
            return
        state, known = assignment.state, self.acknowledged.get(assignment.id)
        try:
            taken = self.clerk.submit(assignment, answer)
        except Conflict:
            self.session.rollback()
            assert state == AssignmentState.SKIPPED or (known is not None and known[1] != answer)
            return
        if known is not None:
            assert (taken.annotation.id, answer, taken.is_repeat) == (*known, True)
        else:
            assert not taken.is_repeat
            self.acknowledged[assignment.id] = (taken.annotation.id, answer)
        if state == AssignmentState.OPEN:
            assert taken.annotation.standing in (Standing.COUNTED, Standing.GOLD, Standing.RETEST)

    @rule(pick=PICK, answer=ANSWERS)
    def change(self, pick, answer):
        assignment = self.any_of(pick)
        if assignment is None or assignment.id not in self.acknowledged:
            return
        newest = self.clerk.annotations(assignment_id=assignment.id)[-1]
        taken = self.clerk.revise(assignment, answer, revision=newest.revision)
        assert taken.annotation.supersedes_id == newest.id

    @rule(pick=PICK)
    def skip(self, pick):
        assignment = self.any_of(pick)
        if assignment is not None and assignment.state != AssignmentState.SUBMITTED:
            self.clerk.skip(assignment)

    @rule(pick=PICK)
    def give_back(self, pick):
        assignment = self.any_of(pick)
        if assignment is not None:
            self.clerk.give_back(assignment)

    @rule(pick=PICK)
    def beat(self, pick):
        assignment = self.any_of(pick)
        if assignment is not None and assignment.state == AssignmentState.OPEN:
            self.clerk.beat(assignment)

    @rule(minutes=st.sampled_from([1, 20, 31, 25 * 60]))
    def wait(self, minutes):
        self.clerk.now += timedelta(minutes=minutes)

    @rule()
    def let_all_leases_run_out(self):
        self.clerk.now += timedelta(minutes=31)
        self.clerk.expire()

    @rule(limit=st.integers(1, 5))
    def sweep(self, limit):
        assert self.clerk.expire(self.project, limit=limit) <= limit

    @precondition(lambda self: self.n_more < 2)
    @rule(pick=st.integers(0, 1))
    def ask_for_more(self, pick):
        """What an import of votes or a requeue does: one more judgement of a task."""
        task = self.session.get(Task, self.tasks[pick].id, populate_existing=True)
        task.n_target += 1
        self.n_more += 1
        task.status, task.done_at = TaskStatus.OPEN, None
        self.session.commit()

    @rule(person=PEOPLE)
    def pause_ask_and_resume(self, person):
        self.project.status = ProjectStatus.PAUSED
        self.session.commit()
        assert self.clerk.next(self.project, self.people[person]) is Nothing.PAUSED
        self.project.status = ProjectStatus.ACTIVE
        self.session.commit()

    def rows(self, *columns):
        return self.session.execute(sa.select(*columns).where(columns[0].class_.project_id == self.project.id)).all()

    @invariant()
    def counters_are_the_rows(self):
        for task in self.rows(Task.id, Task.n_counted, Task.n_leased):
            counted = [row for row in self.firsts() if row.task_id == task.id and row.standing == Standing.COUNTED]
            leases = self.rows(Assignment.task_id, Assignment.state, Assignment.overlap_reason)
            leased = [row for row in leases if row[:2] == (task.id, "open") and row[2] != OverlapReason.RETEST]
            assert (task.n_counted, task.n_leased) == (len(counted), len(leased))

    def firsts(self):
        columns = (
            *(Annotation.id, Annotation.task_id, Annotation.annotator_id, Annotation.standing),
            *(Annotation.overlap_reason, Annotation.is_swapped),
        )
        return [row for row in self.rows(*columns, Annotation.supersedes_id) if row.supersedes_id is None]

    @invariant()
    def no_task_is_promised_to_more_than_it_asks_for(self):
        for task in self.rows(Task.kind, Task.n_counted, Task.n_leased, Task.n_target):
            assert task.kind == TaskKind.GOLD or task.n_counted + task.n_leased <= task.n_target

    @invariant()
    def nobody_holds_two_leases(self):
        holders = [row.annotator_id for row in self.rows(Assignment.annotator_id, Assignment.state) if row[1] == "open"]
        assert len(holders) == len(set(holders))

    @invariant()
    def nobody_judges_a_task_twice(self):
        for is_repeat in (False, True):
            votes = [row for row in self.firsts() if (row.overlap_reason == OverlapReason.RETEST) is is_repeat]
            pairs = [(row.task_id, row.annotator_id) for row in votes]
            assert len(pairs) == len(set(pairs))

    @invariant()
    def repeats_turn_the_sides_of_what_was_judged_and_count_nowhere(self):
        sides = {
            (row.task_id, row.annotator_id): row.is_swapped
            for row in self.firsts()
            if row.overlap_reason != OverlapReason.RETEST
        }
        for row in self.firsts():
            if row.overlap_reason == OverlapReason.RETEST:
                assert row.standing == Standing.RETEST
                assert row.is_swapped is not sides[row.task_id, row.annotator_id]

    @invariant()
    def no_more_are_asked_for_than_the_most(self):
        for task in self.rows(Task.kind, Task.n_target):
            assert task.kind == TaskKind.GOLD or task.n_target <= MOST + self.n_more

    @invariant()
    def a_task_is_done_when_it_has_what_it_asks_for(self):
        for task in self.rows(Task.kind, Task.status, Task.n_counted, Task.n_target):
            if task.kind == TaskKind.REGULAR:
                assert (task.status == TaskStatus.DONE) == (task.n_counted >= task.n_target)

    @invariant()
    def gold_is_outside_of_overlap(self):
        gold = self.tasks[-1]
        assert {row.standing for row in self.firsts() if row.task_id == gold.id} <= {Standing.GOLD}
        assert Standing.GOLD not in {row.standing for row in self.firsts() if row.task_id != gold.id}

    @invariant()
    def what_was_acknowledged_is_there(self):
        assert {found[0] for found in self.acknowledged.values()} == {row.id for row in self.firsts()}


def test_the_queue_keeps_its_promises(db, monkeypatch):
    monkeypatch.setattr(queue, "REPEAT_BEFORE_LAST", 0)
    queue._open_repeat.cache_clear()

    class Machine(Queue):
        session = db

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.generate,),  # shrinking would go beyond the time of the suite; the steps are printed anyway
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    monkeypatch.undo()
    queue._open_repeat.cache_clear()
