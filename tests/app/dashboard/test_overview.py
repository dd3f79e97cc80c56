"""The overview of a project: its numbers, its next steps, and who sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import queue
from app.dashboard import queries, service
from app.models import AnnotatorKind, Membership, ProjectStatus, Role, TaskStatus
from app.projects.definitions import AnswerSchema, Policy
from app.projects.service import create_project
from tests.app.dashboard.judgements import judge


@pytest.fixture
def project(make):
    return make.project()


def test_task_numbers_tell_states_and_kinds_apart(make, db, project):
    make.task(project, overlap=3, n_counted=1)
    make.task(project, overlap=2, n_counted=1, n_leased=1)
    make.task(project, overlap=2, n_counted=2, status=TaskStatus.DONE)
    make.task(project, overlap=9, status=TaskStatus.ARCHIVED)
    make.task(project, gold="first", n_leased=1)
    make.task(make.project())
    assert queries.task_numbers(db, project.id) == queries.TaskNumbers(
        n_open=2, n_done=1, n_waiting=1, n_archived=1, n_gold=1, n_leased=2, n_counted=4, n_wanted=7
    )


def test_an_empty_project_is_all_zero(make, db, project):
    numbers = queries.task_numbers(db, project.id)
    assert (numbers.n_tasks, numbers.share) == (0, 0.0)
    assert queries.vote_numbers(db, project.id, today=datetime.now(UTC)) == queries.VoteNumbers(0, 0, 0, [])


def test_votes_are_counted_by_annotator_once_each(make, db, project):
    now = datetime.now(UTC)
    today = now - timedelta(hours=1)
    busy, calm = (make.annotator(make.member(project)) for _ in range(2))
    first = judge(make, make.task(project), busy, at=now)
    judge(make, make.task(project), busy, at=now - timedelta(days=2), supersedes=None)
    judge(make, first_task(db, first), busy, at=now, supersedes=first)
    judge(make, make.task(project), calm, at=now - timedelta(days=2))
    numbers = queries.vote_numbers(db, project.id, today=today)
    assert (numbers.n_votes, numbers.n_today, numbers.n_annotators) == (3, 1, 2)
    assert [(row.pseudonym, row.n_votes, row.n_today) for row in numbers.busiest] == [
        (busy.pseudonym, 2, 1),
        (calm.pseudonym, 1, 0),
    ]


def first_task(db, annotation):
    from app.models import Task

    return db.get(Task, annotation.task_id)


def test_the_totals_cover_annotators_that_are_not_shown(make, db, project):
    for _ in range(3):
        judge(make, make.task(project), make.outside_annotator(project, AnnotatorKind.SIMULATED))
    numbers = queries.vote_numbers(db, project.id, today=datetime(2020, 1, 1, tzinfo=UTC), limit=1)
    assert (numbers.n_votes, numbers.n_today, numbers.n_annotators, len(numbers.busiest)) == (3, 3, 3, 1)


@pytest.mark.parametrize(
    ("zone", "now", "began"),
    [
        ("UTC", "2026-11-20T22:30+00:00", "2026-11-20T00:00+00:00"),
        ("Asia/Tokyo", "2026-11-20T22:30+00:00", "2026-11-20T15:00+00:00"),
        ("America/New_York", "2026-11-20T02:30+00:00", "2026-11-19T05:00+00:00"),
        ("Europe/Berlin", "2026-03-29T10:00+00:00", "2026-03-28T23:00+00:00"),
    ],
)
def test_a_day_begins_at_the_projects_midnight(zone, now, began):
    assert service.start_of_day(zone, datetime.fromisoformat(now)) == datetime.fromisoformat(began)


def test_the_page_shows_numbers_pseudonyms_and_labels_but_no_names(make, browse, db, project):
    person = make.member(project)
    judge(make, make.task(project), make.annotator(person))
    simulated = make.outside_annotator(project, AnnotatorKind.SIMULATED)
    judge(make, make.task(project), simulated)
    page = browse(make.member(project, Role.REVIEWER)).get(f"/projects/{project.id}").text
    assert make.annotator(person).pseudonym in page
    assert simulated.pseudonym in page
    assert "Simulated" in page
    assert person.name not in page
    assert "2 of 6" in page


def test_annotators_are_led_to_the_desk(make, browse, project):
    response = browse(make.member(project)).get(f"/projects/{project.id}")
    assert (response.status_code, response.headers["location"]) == (303, f"/projects/{project.id}/judge")


def test_strangers_find_nothing(make, browse, project):
    assert browse(make.user()).get(f"/projects/{project.id}").status_code == 404
    assert browse(make.member(make.project(), Role.ADMIN)).get(f"/projects/{project.id}").status_code == 404


def steps(db, project):
    return {step.key: step.is_done for step in service.overview(db, project).steps}


def test_the_next_steps_follow_what_was_done(make, db):
    admin = make.admin()
    project = create_project(
        db,
        viewer_id=admin.id,
        name="New",
        question="?",
        language="en",
        timezone="UTC",
        policy=Policy(),
        schema=AnswerSchema(),
    )
    assert steps(db, project) == {"import": False, "guidelines": False, "invite": False, "judge": False}
    make.guideline(project)
    annotator = make.member(project)
    task = make.task(project)
    assert steps(db, project) == {"import": True, "guidelines": True, "invite": True, "judge": False}
    judge(make, task, make.annotator(annotator))
    assert service.overview(db, project).is_set_up


def test_a_new_project_shows_the_steps_and_a_set_up_one_does_not(make, browse, project):
    client = browse(make.member(project, Role.ADMIN))
    address = f"/projects/{project.id}"
    assert "Next steps" in client.get(address).text
    judge(make, make.task(project), make.annotator(make.member(project)))
    assert "Next steps" not in client.get(address).text


def test_reviewers_are_not_sent_to_pages_of_admins(make, browse, project):
    page = browse(make.member(project, Role.REVIEWER)).get(f"/projects/{project.id}").text
    assert f"/projects/{project.id}/import" not in page
    assert f"/projects/{project.id}/people" not in page
    assert f"/projects/{project.id}/settings" not in page


def test_a_paused_project_says_so_and_can_be_resumed_here(make, browse, db, project):
    project.status = ProjectStatus.PAUSED
    db.commit()
    address = f"/projects/{project.id}"
    assert f'action="{address}/resume"' in browse(make.member(project, Role.ADMIN)).get(address).text
    page = browse(make.member(project, Role.REVIEWER)).get(address).text
    assert "This project is paused" in page
    assert "/resume" not in page


def test_running_jobs_show_their_cards_to_admins_only(make, browse, db, project):
    running = queue.enqueue(db, queue.Job.IMPORT_TASKS, {}, project_id=project.id)
    queue.enqueue(db, queue.Job.PREVIEW_IMPORT, {}, project_id=project.id)
    elsewhere = queue.enqueue(db, queue.Job.IMPORT_TASKS, {}, project_id=make.project().id)
    db.commit()
    page = browse(make.member(project, Role.ADMIN)).get(f"/projects/{project.id}").text
    assert f'hx-get="/jobs/{running.id}/card"' in page
    assert page.count('/card"') == 1
    assert f"/jobs/{elsewhere.id}/" not in page
    reviewer = browse(make.member(project, Role.REVIEWER)).get(f"/projects/{project.id}").text
    assert f"/jobs/{running.id}" not in reviewer


def test_people_are_counted_by_role(make, db, project):
    for role in (Role.ADMIN, Role.REVIEWER, Role.ANNOTATOR, Role.ANNOTATOR):
        make.member(project, role)
    gone = make.member(project)
    db.execute(sa.update(Membership).where(Membership.user_id == gone.id).values(ended_at=sa.func.now()))
    assert queries.people_numbers(db, project.id) == queries.PeopleNumbers(2, 1, 1, 0)


@pytest.mark.parametrize("n_annotators", [1, 6])
def test_the_overview_takes_twelve_statements_at_most(make, browse, count_statements, project, n_annotators):
    for _ in range(n_annotators):
        judge(make, make.task(project), make.annotator(make.member(project)))
    client = browse(make.member(project, Role.ADMIN))
    client.get(f"/projects/{project.id}")
    with count_statements() as counted:
        assert client.get(f"/projects/{project.id}").status_code == 200
    assert len(counted) <= 12, counted


def test_the_api_gives_the_same_numbers(make, browse, project):
    judge(make, make.task(project), make.annotator(make.member(project)))
    body = browse(make.member(project, Role.REVIEWER)).get(f"/api/v1/projects/{project.id}/overview").json()
    assert (body["tasks"]["n_counted"], body["tasks"]["n_wanted"], body["votes"]["n_votes"]) == (1, 3, 1)
    assert (body["overlap"], body["guideline_version"]) == (3, 1)
    assert "annotator_id" not in body["votes"]["busiest"][0]
