from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.annotation.handing_out import Nothing
from app.models import Assignment, Membership, OverlapReason, Prompt, Response
from app.projects.definitions import Policy


@pytest.fixture
def person(make, project):
    return make.annotator(make.member(project))


def set_member(db, project, person, **values):
    if not values:
        return
    db.execute(
        sa.update(Membership)
        .where(Membership.project_id == project.id, Membership.user_id == person.user_id)
        .values(**values)
    )
    db.commit()


@pytest.mark.parametrize(
    ("task", "member"),
    [
        ({"language": "fr"}, {"languages": ["en", "de"]}),
        ({"domain": "Law"}, {"domains": ["medicine"]}),
        ({"tags": ["skill:law", "hard"]}, {"skills": ["medicine"]}),
        ({"tags": ["group:experts"]}, {"groups": ["crowd"], "skills": ["experts"]}),
        ({"tags": ["skill:law", "group:experts"]}, {"skills": ["law"]}),
    ],
)
def test_a_task_is_not_given_to_whom_it_is_not_for(make, project, person, clerk, db, task, member):
    make.task(project, **task)
    set_member(db, project, person, **member)
    assert clerk.next(project, person) is Nothing.NOTHING_FOR_YOU


@pytest.mark.parametrize(
    ("task", "member"),
    [
        ({"language": "fr"}, {}),
        ({"language": None}, {"languages": ["en"]}),
        ({"language": "pt-BR"}, {"languages": ["pt"]}),
        ({"domain": "Law"}, {"domains": ["law"]}),
        ({"tags": ["hard", "skills"]}, {}),
        ({"tags": ["Skill:Law", "group:experts"]}, {"skills": ["law", "art"], "groups": ["experts"]}),
    ],
)
def test_a_task_is_given_to_whom_it_is_for(make, project, person, clerk, db, task, member):
    made = make.task(project, **task)
    set_member(db, project, person, **member)
    assert clerk.next(project, person).task_id == made.id


def test_what_is_for_others_is_passed_over(make, project, person, clerk, db):
    make.task(project, priority=9, tags=["skill:law"])
    mine = make.task(project)
    assert clerk.next(project, person).task_id == mine.id


@pytest.mark.parametrize("kind", [Prompt, Response])
def test_nobody_judges_what_they_wrote(make, project, annotators, clerk, db, kind):
    task = make.task(project, overlap=2)
    condition = Prompt.id == task.prompt_id if kind is Prompt else Response.prompt_id == task.prompt_id
    db.execute(sa.update(kind).where(condition).values(author_id=annotators[0].id))
    db.commit()
    assert clerk.next(project, annotators[0]) is Nothing.NOTHING_FOR_YOU
    assert clerk.next(project, annotators[1]).task_id == task.id


def test_of_equal_priority_the_one_that_is_due_first_comes_first(make, project, annotators, clerk):
    someday = make.task(project, overlap=1)
    late = make.task(project, overlap=1, due_at=clerk.now + timedelta(days=9))
    soon = make.task(project, overlap=1, due_at=clerk.now + timedelta(days=2))
    urgent = make.task(project, overlap=1, priority=1)
    served = [clerk.next(project, annotator).task_id for annotator in annotators[:4]]
    assert served == [urgent.id, soon.id, late.id, someday.id]


def test_a_quota_of_a_day_ends_at_midnight_of_the_project(make, clerk):
    project = make.project(
        policy=Policy(overlap=1, gold_rate=0.0, repeat_rate=0.0, daily_quota=2), timezone="Asia/Tokyo"
    )
    person = make.annotator(make.member(project))
    for _ in range(4):
        make.task(project)
    for _ in range(2):
        clerk.submit(clerk.next(project, person))
    assert clerk.next(project, person) is Nothing.ENOUGH_TODAY
    clerk.now = clerk.now.replace(hour=14, minute=59)
    assert clerk.next(project, person) is Nothing.ENOUGH_TODAY
    clerk.now += timedelta(minutes=2)
    assert isinstance(clerk.next(project, person), Assignment)


def test_a_quota_in_all_and_an_own_one(make, clerk, db):
    project = make.project(policy=Policy(overlap=2, gold_rate=0.0, repeat_rate=0.0, total_quota=1))
    people = [make.annotator(make.member(project)) for _ in range(2)]
    set_member(db, project, people[1], total_quota=2)
    for _ in range(3):
        make.task(project, overlap=2)
    given = []
    for person in people:
        n = 0
        while isinstance(found := clerk.next(project, person), Assignment):
            clerk.submit(found)
            n += 1
        given.append((n, found))
    assert given == [(1, Nothing.ENOUGH), (2, Nothing.ENOUGH)]


def test_quality_control_asks_for_gold_by_person(make, clerk, db):
    project = make.project(policy=Policy(overlap=1, gold_rate=0.0, repeat_rate=0.0))
    watched, other = (make.annotator(make.member(project)) for _ in range(2))
    set_member(db, project, watched, gold_rate=0.5)
    for _ in range(20):
        make.task(project, gold="first")
    for _ in range(40):
        make.task(project)
    served = {watched.id: [], other.id: []}
    for person in (watched, other) * 20:
        found = clerk.next(project, person)
        served[person.id].append(found.overlap_reason == OverlapReason.GOLD)
        clerk.submit(found)
    assert sum(served[watched.id]) > 4
    assert sum(served[other.id]) == 0


def test_gold_asks_for_skills_like_any_other(make, clerk):
    project = make.project(policy=Policy(overlap=1, gold_rate=0.5, repeat_rate=0.0))
    person = make.annotator(make.member(project))
    make.task(project, gold="first", tags=["skill:law"])
    for _ in range(20):
        make.task(project)
    for _ in range(20):
        found = clerk.next(project, person)
        assert found.overlap_reason == OverlapReason.BASE
        clerk.submit(found)


def test_a_program_may_hold_as_many_ahead_as_the_policy_says(make, clerk):
    project = make.project(policy=Policy(overlap=1, gold_rate=0.0, repeat_rate=0.0, prefetch=2))
    person = make.annotator(make.member(project))
    for _ in range(6):
        make.task(project)
    held = [clerk.next(project, person, ahead=n) for n in range(3)]
    assert len({found.id for found in held}) == 3
    assert clerk.next(project, person, ahead=9).id == held[2].id
    assert clerk.next(project, person).id == held[0].id
    clerk.submit(held[0])
    assert clerk.next(project, person).id == held[1].id
    again = clerk.next(project, person, ahead=2)
    assert again.id not in {found.id for found in held}
    clerk.now += timedelta(minutes=20)
    clerk.beat(held[1])
    clerk.now += timedelta(minutes=20)
    assert clerk.expire() == 0


def test_without_prefetch_there_is_one_lease(make, project, person, clerk):
    for _ in range(3):
        make.task(project)
    assert clerk.next(project, person, ahead=3).id == clerk.next(project, person).id
