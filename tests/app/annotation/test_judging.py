from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.errors import Conflict, Forbidden, Invalid
from app.models import AuditEvent, Preference, TaskStatus
from app.projects.definitions import AnswerSchema, Pairwise, Policy
from app.web.observability import JUDGEMENTS

LEASE = timedelta(minutes=30)


def test_a_judgement_is_counted_and_carries_what_it_was_given_under(make, project, annotators, clerk, db):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += timedelta(minutes=3)
    taken = clerk.submit(assignment, -3, rationale=" It is right. ", is_flagged=True, active_ms=9000, idle_ms=400)
    row = taken.annotation
    assert not taken.is_repeat
    assert clerk.counters(task) == (1, 0, "done")
    assert clerk.state(assignment) == "submitted"
    assert row.standing.value == "counted"
    assert (row.rationale, row.is_flagged, row.active_ms, row.idle_ms) == ("It is right.", True, 9000, 400)
    assert (row.started_at, row.submitted_at) == (assignment.leased_at, clerk.now)
    assert (row.is_swapped, row.overlap_reason) == (assignment.is_swapped, assignment.overlap_reason)
    assert row.guideline_version_id == assignment.guideline_version_id
    assert (row.policy_version_id, row.schema_version_id) == (
        assignment.policy_version_id,
        assignment.schema_version_id,
    )
    db.refresh(task)
    assert task.done_at == clerk.now


@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize(
    ("answer", "unswapped", "swapped", "strength"),
    [
        (-3, "first", "second", 3),
        (1, "second", "first", 1),
        (0, "tie", "tie", 0),
        ("both_bad", "both_bad", "both_bad", 0),
    ],
)
def test_the_side_is_stored_as_the_response(
    make, project, annotators, clerk, db, is_swapped, answer, unswapped, swapped, strength
):
    task = make.task(project)
    assignment = make.assignment(task, annotators[0], is_swapped=is_swapped)
    row = clerk.submit(assignment, answer).annotation
    assert (row.choice.value, row.strength) == (swapped if is_swapped else unswapped, strength)
    preference = db.scalars(sa.select(Preference).where(Preference.annotation_id == row.id)).one()
    assert preference.low_response_id < preference.high_response_id
    sign = {"first": 1, "second": -1}.get(row.choice.value, 0)
    assert preference.signed_strength == sign * strength
    assert preference.is_both_bad is (answer == "both_bad")


def test_sent_again_it_is_the_same_row(make, project, annotators, clerk):
    task = make.task(project, overlap=3)
    assignment = clerk.next(project, annotators[0])
    first = clerk.submit(assignment, 2, key="k1", rationale="Why\r\nnot", active_ms=5)
    for _ in range(3):
        again = clerk.submit(assignment, 2, key="k1", rationale="Why\nnot", active_ms=7000)
        assert (again.annotation.id, again.is_repeat) == (first.annotation.id, True)
    assert clerk.counters(task) == (1, 0, "open")


def test_the_same_key_with_another_answer_is_refused(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    clerk.submit(assignment, 2, key="k1")
    with pytest.raises(Conflict, match="another answer") as refused:
        clerk.submit(assignment, 1, key="k1")
    assert refused.value.code == "idempotency_conflict"
    assert len(clerk.annotations(assignment_id=assignment.id)) == 1


def test_a_key_belongs_to_one_assignment(make, project, annotators, clerk):
    tasks = [make.task(project), make.task(project)]
    clerk.submit(clerk.next(project, annotators[0]), 2, key="k1")
    second = clerk.next(project, annotators[0])
    with pytest.raises(Conflict):
        clerk.submit(second, 2, key="k1")
    clerk.session.rollback()
    assert sum(clerk.counters(task)[0] for task in tasks) == 1


def test_two_people_may_use_the_same_key(make, project, annotators, clerk):
    task = make.task(project, overlap=2)
    ids = {clerk.submit(clerk.next(project, who), 2, key="k1").annotation.id for who in annotators[:2]}
    assert len(ids) == 2
    assert clerk.counters(task) == (2, 0, "done")


def test_a_second_answer_with_another_key_is_refused_and_an_equal_one_is_not(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    first = clerk.submit(assignment, 2, key="window-1")
    assert clerk.submit(assignment, 2, key="window-2").annotation.id == first.annotation.id
    with pytest.raises(Conflict, match="already judged"):
        clerk.submit(assignment, -2, key="window-3")


def test_a_late_answer_counts_while_its_place_is_free(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    clerk.expire()
    assert clerk.submit(assignment).annotation.standing.value == "counted"
    assert clerk.counters(task) == (1, 0, "done")


def test_a_late_answer_is_kept_but_not_counted_when_somebody_is_at_work(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    at_work = clerk.next(project, annotators[1])
    late = clerk.submit(assignment).annotation
    assert late.standing.value == "late"
    assert clerk.counters(task) == (0, 1, "open")
    assert clerk.submit(at_work).annotation.standing.value == "counted"
    assert clerk.counters(task) == (1, 0, "done")


def test_a_late_answer_to_a_finished_task_is_kept(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += LEASE * 2
    clerk.submit(clerk.next(project, annotators[1]))
    assert clerk.submit(assignment).annotation.standing.value == "late"
    assert clerk.counters(task) == (1, 0, "done")


def test_time_running_out_alone_costs_nothing(make, project, annotators, clerk):
    """Nobody asked for the place: the lease still stands in the books, and so does its holder's right."""
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.now += LEASE * 5
    assert clerk.submit(assignment).annotation.standing.value == "counted"
    assert clerk.counters(task) == (1, 0, "done")


def test_an_answer_after_giving_back_is_treated_as_late(make, project, annotators, clerk):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    clerk.give_back(assignment)
    assert clerk.submit(assignment).annotation.standing.value == "counted"
    assert clerk.counters(task) == (1, 0, "done")


def test_a_lowered_target_never_overflows(make, project, annotators, clerk, db):
    task = make.task(project, overlap=3)
    leases = [clerk.next(project, who) for who in annotators[:3]]
    db.execute(sa.text("UPDATE task SET n_target = 1 WHERE id = :id"), {"id": task.id})
    standings = [clerk.submit(lease).annotation.standing.value for lease in leases]
    assert standings == ["counted", "late", "late"]
    assert clerk.counters(task) == (1, 0, "done")


def test_a_late_answer_to_an_archived_task_is_kept_only(make, project, annotators, clerk):
    task = make.task(project, overlap=2)
    assignment = clerk.next(project, annotators[0])
    clerk.give_back(assignment)
    task.status = TaskStatus.ARCHIVED
    make.commit()
    assert clerk.submit(assignment).annotation.standing.value == "late"
    assert clerk.counters(task) == (0, 0, "archived")


def test_a_skipped_task_takes_no_answer(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    clerk.skip(assignment)
    with pytest.raises(Conflict, match="skipped"):
        clerk.submit(assignment)


@pytest.mark.parametrize(
    ("schema", "answer", "field"),
    [
        (AnswerSchema(overall=Pairwise(strength_steps=1)), 2, "answer"),
        (AnswerSchema(overall=Pairwise(strength_steps=3)), -4, "answer"),
        (AnswerSchema(overall=Pairwise(allows_tie=False)), 0, "answer"),
        (AnswerSchema(overall=Pairwise(allows_both_bad=False)), "both_bad", "answer"),
        (AnswerSchema(rationale="required"), 1, "rationale"),
    ],
)
def test_an_answer_outside_the_schema_is_refused(make, clerk, schema, answer, field):
    project = make.project(schema=schema, policy=Policy(gold_rate=0))
    task = make.task(project)
    assignment = clerk.next(project, make.annotator(make.member(project)))
    with pytest.raises(Invalid) as refused:
        clerk.submit(assignment, answer)
    assert refused.value.field == field
    assert clerk.counters(task) == (0, 1, "open")


def test_each_judgement_leaves_one_audit_row_and_one_count(make, project, annotators, clerk, db):
    make.task(project)
    before = JUDGEMENTS.labels("counted")._value.get()
    assignment = clerk.next(project, annotators[0])
    for _ in range(3):
        row = clerk.submit(assignment).annotation
    events = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "annotation.submit")).all()
    assert [(event.target_type, event.target_id) for event in events] == [("annotation", str(row.id))]
    assert JUDGEMENTS.labels("counted")._value.get() == before + 1


def test_an_edit_appends_a_revision_and_moves_no_counter(make, project, annotators, clerk, db):
    task = make.task(project, overlap=1)
    assignment = clerk.next(project, annotators[0])
    first = clerk.submit(assignment, 3).annotation
    clerk.now += timedelta(hours=1)
    second = clerk.revise(assignment, -1, revision=1, rationale="Read again.").annotation
    third = clerk.revise(assignment, 0, revision=2).annotation
    assert [(row.revision, row.supersedes_id) for row in (first, second, third)] == [
        (1, None),
        (2, first.id),
        (3, second.id),
    ]
    assert {row.standing.value for row in (first, second, third)} == {"counted"}
    assert clerk.counters(task) == (1, 0, "done")
    strengths = db.scalars(sa.select(Preference.signed_strength).order_by(Preference.id)).all()
    assert [abs(strength) for strength in strengths] == [3, 1, 0]


def test_an_edit_sent_again_is_the_same_revision(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    clerk.submit(assignment, 3)
    first = clerk.revise(assignment, -1, revision=1)
    again = clerk.revise(assignment, -1, revision=1)
    assert (again.annotation.id, again.is_repeat) == (first.annotation.id, True)


def test_of_two_different_edits_of_one_revision_the_second_is_refused(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    clerk.submit(assignment, 3)
    clerk.revise(assignment, -1, revision=1)
    with pytest.raises(Conflict):
        clerk.revise(assignment, -2, revision=1)
    with pytest.raises(Conflict, match="another window"):
        clerk.revise(assignment, -2, revision=1, key="own-key")
    assert len(clerk.annotations(assignment_id=assignment.id)) == 2


def test_edits_end_with_their_hours(make, clerk):
    project = make.project(policy=Policy(gold_rate=0, edit_hours=2))
    make.task(project)
    assignment = clerk.next(project, make.annotator(make.member(project)))
    clerk.submit(assignment, 3)
    clerk.now += timedelta(hours=2)
    clerk.revise(assignment, 2, revision=1)
    clerk.now += timedelta(seconds=1)
    with pytest.raises(Forbidden, match="2 hours"):
        clerk.revise(assignment, 1, revision=2)


def test_nothing_to_edit_before_there_is_a_judgement(make, project, annotators, clerk):
    make.task(project)
    assignment = clerk.next(project, annotators[0])
    with pytest.raises(Conflict, match="no judgement"):
        clerk.revise(assignment, 1, revision=1)


def test_a_gold_answer_can_be_edited_like_any_other(make, clerk):
    project = make.project(policy=Policy(gold_rate=0.5))
    annotator = make.annotator(make.member(project))
    gold = make.task(project, gold="first")
    make.task(project)
    assignment = clerk.next(project, annotator)
    assert assignment.task_id == gold.id
    clerk.submit(assignment, 3)
    second = clerk.revise(assignment, -3, revision=1).annotation
    assert (second.standing.value, second.revision) == ("gold", 2)
