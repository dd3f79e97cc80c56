import re
from datetime import timedelta

import pytest

from app.annotation.handing_out import Nothing
from app.domain.assignment import REPEAT_BEFORE_LAST
from app.models import OverlapReason, Standing
from app.projects.definitions import Policy

HALF = Policy(overlap=1, gold_rate=0.0, repeat_rate=0.5)
DAY = timedelta(days=1, minutes=1)


@pytest.fixture
def project(make):
    return make.project(policy=HALF)


@pytest.fixture
def person(make, project):
    return make.annotator(make.member(project))


def judged(make, project, clerk, person, n=30):
    """`n` tasks that the person has judged by now, oldest first, by task id."""
    for _ in range(n):
        make.task(project, overlap=1)
    found = {}
    for _ in range(n):
        assignment = clerk.next(project, person)
        assert assignment.overlap_reason == OverlapReason.BASE
        clerk.submit(assignment)
        clerk.now += timedelta(seconds=30)
        found[assignment.task_id] = assignment
    return found


def serve(make, project, clerk, person, n):
    """`n` servings with enough fresh tasks behind them."""
    for _ in range(n):
        make.task(project, overlap=1)
    served = []
    for _ in range(n):
        served.append(clerk.next(project, person))
        clerk.submit(served[-1])
    return served


def repeats(served):
    return [found for found in served if found.overlap_reason == OverlapReason.RETEST]


def test_nothing_is_repeated_within_a_day(make, project, clerk, person):
    judged(make, project, clerk, person)
    clerk.now += timedelta(hours=23)
    assert repeats(serve(make, project, clerk, person, 20)) == []


def test_after_a_day_judged_tasks_come_back_once_with_sides_exchanged(make, project, clerk, person, db):
    first = judged(make, project, clerk, person)
    clerk.now += DAY
    again = repeats(serve(make, project, clerk, person, 60))
    assert len(again) > 3
    assert len({found.task_id for found in again}) == len(again)
    for found in again:
        before = first[found.task_id]
        assert found.is_swapped is not before.is_swapped
        assert (found.id, found.public_id) != (before.id, before.public_id)


def test_the_newest_judgements_are_never_repeated(make, project, clerk, person):
    first = judged(make, project, clerk, person, REPEAT_BEFORE_LAST + 3)
    clerk.now += DAY
    for _ in range(40):
        make.task(project, overlap=1)
    asked_again = set()
    for _ in range(60):
        found = clerk.next(project, person)
        asked_again |= {found.task_id} if found.overlap_reason == OverlapReason.RETEST else set()
        clerk.give_back(found)
    assert asked_again
    assert asked_again <= set(list(first)[:3])


def test_a_repeat_takes_no_place_and_counts_nowhere(make, project, clerk, person):
    judged(make, project, clerk, person)
    clerk.now += DAY
    found = repeats(serve(make, project, clerk, person, 40))[0]
    [vote] = clerk.annotations(assignment_id=found.id)
    assert (vote.standing, vote.overlap_reason) == (Standing.RETEST, OverlapReason.RETEST)
    assert clerk.state(found) == "submitted"
    task = type("Row", (), {"id": found.task_id})
    assert clerk.counters(task) == (1, 0, "done")


@pytest.mark.parametrize("end", ["skip", "give_back", "expire"])
def test_a_repeat_that_ends_without_a_judgement_frees_no_place(make, project, clerk, person, end):
    judged(make, project, clerk, person)
    clerk.now += DAY
    for _ in range(40):
        make.task(project, overlap=1)
    found = clerk.next(project, person)
    while found.overlap_reason != OverlapReason.RETEST:
        clerk.submit(found)
        found = clerk.next(project, person)
    clerk.now += timedelta(hours=1)
    assert clerk.expire() == 1 if end == "expire" else getattr(clerk, end)(found) is None
    task = type("Row", (), {"id": found.task_id})
    assert clerk.counters(task) == (1, 0, "done")
    assert clerk.submit(found).annotation.standing == Standing.RETEST if end != "skip" else True


def test_at_the_end_of_the_queue_neither_repeats_nor_gold_come_alone(make, clerk):
    project = make.project(policy=Policy(overlap=1, gold_rate=0.5, repeat_rate=0.5))
    person = make.annotator(make.member(project))
    make.task(project, gold="first")
    assert {clerk.next(project, person) for _ in range(10)} <= {Nothing.NO_TASKS}


def test_a_repeat_looks_like_any_other(make, project, browse, db, clerk):
    """The same texts as a repeat and as a first serving, to the same person: names of servings differ, nothing else."""
    user = make.member(project)
    person, client = make.annotator(user), browse(user)
    for _ in range(30):
        make.task(project, prompt="Same", overlap=1)
    shown = {}
    for _ in range(30):
        clerk.submit(clerk.next(project, person))
        clerk.now += timedelta(seconds=1)
    clerk.now += DAY
    for _ in range(40):
        make.task(project, prompt="Same", overlap=1)
        found = clerk.next(project, person)
        page = client.get(f"/projects/{project.id}/judge")
        names = r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}"
        told = ([name for name in page.headers if name != "content-length"], re.sub(names, "", page.text))
        shown.setdefault((found.overlap_reason.value, found.is_swapped), told)
        clerk.give_back(found) if found.overlap_reason == OverlapReason.BASE else clerk.skip(found)
    pairs = [side for side in (True, False) if {("base", side), ("retest", side)} <= set(shown)]
    assert pairs
    for side in pairs:
        assert shown["base", side] == shown["retest", side]
