from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.annotation import queries
from app.annotation.handing_out import Nothing
from app.errors import Conflict
from app.models import Assignment, OverlapReason, ProjectStatus, TaskStatus
from app.projects.definitions import Policy
from workers.tasks import periodic

LEASE = timedelta(minutes=30)


def test_a_lease_takes_a_place_and_says_under_what_it_was_given(make, project, annotators, clerk):
    task = make.task(project, overlap=2)
    assignment = clerk.next(project, annotators[0])
    assert assignment.task_id == task.id
    assert clerk.counters(task) == (0, 1, "open")
    assert assignment.expires_at == clerk.now + LEASE
    assert assignment.overlap_reason == OverlapReason.BASE
    assert None not in (assignment.policy_version_id, assignment.schema_version_id, assignment.guideline_version_id)


def test_asking_again_gives_the_same_lease(make, project, annotators, clerk):
    make.task(project)
    make.task(project)
    first = clerk.next(project, annotators[0])
    assert clerk.next(project, annotators[0]).id == first.id


def test_one_place_goes_to_one_person(make, project, annotators, clerk):
    make.task(project, overlap=1)
    assert isinstance(clerk.next(project, annotators[0]), Assignment)
    assert clerk.next(project, annotators[1]) is Nothing.OTHERS_AT_WORK


def test_started_tasks_come_before_fresh_ones_and_priority_before_both(make, project, annotators, clerk):
    fresh = make.task(project, overlap=2)
    urgent = make.task(project, overlap=1, priority=5)
    started = make.task(project, overlap=2, n_counted=1)
    served = [clerk.next(project, annotator).task_id for annotator in annotators[:3]]
    assert served == [urgent.id, started.id, fresh.id]


def test_nobody_is_asked_the_same_task_twice(make, project, annotators, clerk):
    make.task(project, overlap=3)
    clerk.submit(clerk.next(project, annotators[0]))
    assert clerk.next(project, annotators[0]) is Nothing.NOTHING_FOR_YOU


def test_a_skipped_task_frees_its_place_and_does_not_come_back(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.skip(assignment, "not_my_field", "law")
    clerk.skip(assignment, "not_my_field", "law")
    assert clerk.counters(task) == (0, 0, "open")
    assert (assignment.skip_reason, assignment.skip_note) == ("not_my_field", "law")
    assert clerk.next(project, annotators[0]) is Nothing.NOTHING_FOR_YOU
    assert clerk.next(project, annotators[1]).task_id == task.id


def test_a_judged_task_cannot_be_skipped(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    clerk.submit(assignment)
    with pytest.raises(Conflict, match="already judged"):
        clerk.skip(assignment)


def test_a_returned_task_comes_again_with_its_sides_as_they_were(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    first = clerk.next(project, annotators[0])
    sides, public_id = first.is_swapped, first.public_id
    for _ in range(10):
        clerk.give_back(first)
        assert clerk.counters(task) == (0, 0, "open")
        again = clerk.next(project, annotators[0])
        assert (again.id, again.is_swapped, again.public_id) == (first.id, sides, public_id)
        assert clerk.counters(task) == (0, 1, "open")


def test_giving_back_twice_frees_one_place(make, project, annotators, clerk):
    task = make.task(project, overlap=3)
    clerk.next(project, annotators[1])
    assignment = clerk.next(project, annotators[0])
    clerk.give_back(assignment)
    clerk.give_back(assignment)
    assert clerk.counters(task) == (0, 1, "open")


def test_an_expired_lease_is_handed_on(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    first = clerk.next(project, annotators[0])
    clerk.now += LEASE + timedelta(seconds=1)
    second = clerk.next(project, annotators[1])
    assert second.task_id == task.id
    assert clerk.state(first) == "expired"
    assert clerk.counters(task) == (0, 1, "open")


def test_an_expired_lease_is_kept_by_its_holder_who_comes_back_first(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    first = clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    again = clerk.next(project, annotators[0])
    assert again.id == first.id
    assert again.expires_at == clerk.now + LEASE
    assert clerk.counters(task) == (0, 1, "open")


def test_a_heartbeat_holds_the_lease(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    for _ in range(4):
        clerk.now += timedelta(minutes=20)
        assert clerk.beat(assignment) == clerk.now + LEASE
        assert clerk.expire() == 0
    assert clerk.counters(task) == (0, 1, "open")


def test_a_heartbeat_does_not_raise_the_dead(make, project, annotators, clerk):
    make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    assert clerk.expire() == 1
    with pytest.raises(Conflict, match="handed on"):
        clerk.beat(assignment)


def test_expiry_frees_every_place_once_in_bounded_batches(make, project, annotators, clerk):
    tasks = [make.task(project, overlap=4) for _ in range(2)]
    for annotator in annotators:
        clerk.next(project, annotator)
    assert [clerk.counters(task)[1] for task in tasks] == [4, 4]
    clerk.now += LEASE * 2
    assert [clerk.expire(limit=3), clerk.expire(project, limit=3), clerk.expire(), clerk.expire()] == [3, 3, 2, 0]
    assert [clerk.counters(task)[1] for task in tasks] == [0, 0]


def test_expiry_of_one_project_leaves_the_others(make, project, annotators, clerk):
    make.task(project, overlap=1)
    clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    assert clerk.expire(make.project()) == 0
    assert clerk.expire(project) == 1


@pytest.mark.parametrize(
    ("status", "reason"), [(ProjectStatus.PAUSED, Nothing.PAUSED), (ProjectStatus.ARCHIVED, Nothing.ARCHIVED)]
)
def test_a_closed_project_hands_nothing_out(make, project, annotators, clerk, status, reason):
    make.task(project)
    project.status = status
    make.commit()
    assert clerk.next(project, annotators[0]) is reason


def test_why_there_is_nothing(make, project, annotators, clerk):
    assert clerk.next(project, annotators[0]) is Nothing.NO_TASKS
    task = make.task(project, overlap=2)
    clerk.submit(clerk.next(project, annotators[0]))
    assert clerk.next(project, annotators[0]) is Nothing.NOTHING_FOR_YOU
    last = clerk.next(project, annotators[1])
    assert clerk.next(project, annotators[2]) is Nothing.OTHERS_AT_WORK
    clerk.submit(last)
    assert clerk.counters(task) == (2, 0, "done")
    assert clerk.next(project, annotators[2]) is Nothing.ALL_DONE


def test_archived_tasks_are_not_handed_out(make, project, annotators, clerk):
    make.task(project, status=TaskStatus.ARCHIVED)
    assert clerk.next(project, annotators[0]) is Nothing.NO_TASKS


def test_gold_comes_at_its_rate_each_task_once_and_takes_no_place(make, clerk):
    project = make.project(policy=Policy(overlap=1, gold_rate=0.5))
    annotator = make.annotator(make.member(project))
    gold = [make.task(project, gold="first") for _ in range(5)]
    for _ in range(25):
        make.task(project, overlap=1)
    served = []
    for _ in range(30):
        assignment = clerk.next(project, annotator)
        served.append(assignment.task_id)
        taken = clerk.submit(assignment).annotation
        is_gold = assignment.task_id in {task.id for task in gold}
        assert taken.standing.value == ("gold" if is_gold else "counted")
        assert (assignment.overlap_reason == OverlapReason.GOLD) is is_gold
    assert len(set(served)) == 30
    assert {task.id for task in gold} <= set(served[:25])
    assert [clerk.counters(task) for task in gold] == [(0, 0, "open")] * 5


def test_sides_are_shuffled(make, project, annotators, clerk):
    for _ in range(40):
        make.task(project, overlap=1)
    swapped = 0
    for _ in range(40):
        assignment = clerk.next(project, annotators[0])
        swapped += assignment.is_swapped
        clerk.submit(assignment)
    assert 8 < swapped < 32


def test_the_queue_of_somebody_with_500_judgements_reads_the_index(make, project, annotators, clerk, db):
    """Their own tasks stand first in the queue; passing over them must not read the table."""
    task = make.task(project, overlap=3)
    columns = "project_id, prompt_id, kind, status, priority, n_target, n_counted, n_leased"
    db.execute(
        sa.text(
            f"INSERT INTO task ({columns}, queue_key) SELECT project_id, prompt_id, kind, status, 0, 3, 0, 0, n"
            " FROM task, generate_series(1, 3000) n WHERE task.id = :id"
        ),
        {"id": task.id},
    )
    first = clerk.next(project, annotators[0])
    clerk.skip(first)
    db.execute(
        sa.text(
            "INSERT INTO assignment (public_id, project_id, task_id, annotator_id, state, overlap_reason, is_swapped,"
            " schema_version_id, policy_version_id, expires_at, closed_at)"
            " SELECT gen_random_uuid(), a.project_id, t.id, a.annotator_id, 'submitted', 'base', false,"
            " a.schema_version_id, a.policy_version_id, a.expires_at, a.closed_at"
            " FROM assignment a JOIN task t ON t.project_id = a.project_id AND t.queue_key <= 500 AND t.id <> a.task_id"
            " WHERE a.id = :id"
        ),
        {"id": first.id},
    )
    db.execute(sa.text("ANALYZE task"))
    db.execute(sa.text("ANALYZE assignment"))
    waiting = queries.waiting_tasks(
        project_id=project.id, person=queries.Person(annotators[0].id, ["en"], ["law"], ["skill:law"])
    ).limit(1)
    statement = waiting.compile(dialect=db.get_bind().dialect, compile_kwargs={"literal_binds": True})
    plan = "\n".join(db.scalars(sa.text(f"EXPLAIN {statement}")))
    assert "ix_task_queue" in plan
    assert "Seq Scan on task" not in plan
    assert "Sort" not in plan
    assert clerk.next(project, annotators[0]).task_id != first.task_id


def test_the_sweep_hands_leases_on_by_itself(make, project, annotators, clerk, db):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    db.execute(sa.update(Assignment).values(expires_at=sa.func.now() - timedelta(seconds=1)))
    db.commit()
    periodic.expire_leases()
    db.expire_all()
    assert clerk.state(assignment) == "expired"
    assert clerk.counters(task) == (0, 0, "open")
