import pytest
import sqlalchemy as sa

from app.models import OverlapReason, Task
from app.projects.definitions import Policy
from app.quality import queries as quality

ADAPTIVE = Policy(overlap=2, max_overlap=4, gold_rate=0.0, repeat_rate=0.0)


@pytest.fixture
def project(make):
    return make.project(policy=ADAPTIVE)


def judge(clerk, project, annotator, side):
    """Judge the task on the desk for the `first` or `second` response, wherever it stands; returns the vote."""
    found = clerk.next(project, annotator)
    shown = {"first": -1, "second": 1}[side] * (-1 if found.is_swapped else 1)
    return clerk.submit(found, shown * 2).annotation


def test_votes_that_agree_end_a_task_at_its_overlap(make, project, annotators, clerk):
    task = make.task(project, overlap=2)
    votes = [judge(clerk, project, annotator, "first") for annotator in annotators[:2]]
    assert clerk.counters(task) == (2, 0, "done")
    assert [vote.overlap_reason for vote in votes] == [OverlapReason.BASE] * 2


def test_votes_that_do_not_agree_ask_for_one_more_at_a_time_until_they_are_sure_or_the_most_is_there(
    make, project, annotators, clerk, db
):
    task = make.task(project, overlap=2)
    states, reasons = [], []
    for annotator, side in zip(annotators, ["first", "second", "first", "second"], strict=False):
        reasons.append(judge(clerk, project, annotator, side).overlap_reason.value)
        target = db.scalar(sa.select(Task.n_target).where(Task.id == task.id))
        states.append((clerk.counters(task), target))
    assert states == [((1, 0, "open"), 2), ((2, 0, "open"), 3), ((3, 0, "open"), 4), ((4, 0, "done"), 4)]
    assert reasons == ["base", "base", "escalation", "escalation"]


def test_a_project_whose_people_hardly_agree_needs_more_than_two_votes_that_do(make, clerk):
    ends = []
    for n_split in (0, 20):
        project = make.project(policy=ADAPTIVE)
        people = [make.annotator(make.member(project)) for _ in range(4)]
        for _ in range(n_split):
            make.task(project, overlap=2)
            for person, side in zip(people, ["first", "second", "first", "second"], strict=True):
                judge(clerk, project, person, side)
        task = make.task(project, overlap=2)
        for person in people[:2]:
            judge(clerk, project, person, "first")
        ends.append(clerk.counters(task))
    assert ends == [(2, 0, "done"), (2, 0, "open")]


def test_agreement_is_read_off_the_votes_that_were_asked_for_before(make, project, annotators, clerk, db):
    task = make.task(project, overlap=2)
    for annotator, side in zip(annotators, ["first", "second", "first", "first"], strict=False):
        judge(clerk, project, annotator, side)
    read = quality.COUNTED_REASONS
    assert OverlapReason.ESCALATION not in read
    assert OverlapReason.RETEST not in read
    kept = [vote.overlap_reason for vote in clerk.annotations(task_id=task.id)]
    assert len([reason for reason in kept if reason in read]) == 2


def test_a_fixed_overlap_asks_for_no_more(make, annotators, clerk):
    project = make.project(policy=Policy(overlap=2, gold_rate=0.0, repeat_rate=0.0))
    people = [make.annotator(make.member(project)) for _ in range(2)]
    task = make.task(project, overlap=2)
    judge(clerk, project, people[0], "first")
    judge(clerk, project, people[1], "second")
    assert clerk.counters(task) == (2, 0, "done")


def test_strong_opposed_votes_ask_for_one_more_even_where_the_posterior_is_sure(make, clerk):
    project = make.project(policy=Policy(overlap=5, max_overlap=6, gold_rate=0.0, repeat_rate=0.0))
    task = make.task(project, overlap=5)
    for strength in (1, 1, 1, 1, -3):
        found = clerk.next(project, make.annotator(make.member(project)))
        clerk.submit(found, strength * (-1 if found.is_swapped else 1))
    assert clerk.counters(task) == (5, 0, "open")


def test_a_late_answer_in_a_place_asked_for_later_says_so(make, project, annotators, clerk):
    """The lease was for a base place; by the time it comes, two others have filled those, and disagree."""
    make.task(project, overlap=2)
    late = clerk.next(project, annotators[0])
    clerk.give_back(late)
    judge(clerk, project, annotators[1], "first")
    judge(clerk, project, annotators[2], "second")
    assert clerk.submit(late, 1).annotation.overlap_reason == OverlapReason.ESCALATION
