"""Home and the list of projects: what waits for whom, in a bounded number of statements."""

from __future__ import annotations

import re

import pytest

from app.models import AssignmentState, ProjectStatus, Role, TaskStatus
from tests.app.dashboard.judgements import judge


def cards(page):
    """The names of the cards, in their order."""
    return re.findall(r'<h3 class="card-title"[^>]*>\s*<a[^>]*>([^<]*)</a>', page.text)


def test_a_new_instance_admin_is_shown_how_to_begin(make, browse):
    page = browse(make.admin()).get("/").text
    assert "No project yet" in page
    assert 'action="/projects/sample"' in page
    assert 'href="/projects/new"' in page


def test_somebody_without_a_project_is_told_to_wait_for_a_link(make, browse):
    page = browse(make.user()).get("/").text
    assert "You are in no project yet" in page
    assert "/projects/new" not in page


def test_nobody_is_led_to_the_sign_in(anonymous):
    assert anonymous.get("/").headers["location"].startswith("/sign-in")


def test_an_annotator_sees_what_waits_and_goes_to_the_desk(make, browse):
    project = make.project()
    annotator = make.member(project)
    make.task(project)
    make.task(project)
    page = browse(annotator).get("/").text
    assert "2 comparisons wait for you." in page
    assert f'href="/projects/{project.id}/judge"' in page
    assert "Start judging" in page
    assert f'href="/projects/{project.id}"' not in page


def test_what_one_has_had_or_cannot_get_does_not_wait(make, browse, db):
    project = make.project()
    user = make.member(project)
    mine = make.annotator(user)
    judge(make, make.task(project), mine)
    make.task(project, overlap=1, n_counted=1, status=TaskStatus.DONE)
    make.task(project, overlap=1, n_leased=1)
    make.task(project, gold="first")
    make.task(project, status=TaskStatus.ARCHIVED)
    page = browse(user).get("/").text
    assert "Nothing waits for you right now." in page
    assert "You have judged 1." in page
    assert "Start judging" not in page


def test_an_open_lease_is_offered_to_go_on_with_even_when_paused(make, browse, db):
    project = make.project()
    user = make.member(project)
    make.assignment(make.task(project), make.annotator(user))
    project.status = ProjectStatus.PAUSED
    db.commit()
    page = browse(user).get("/").text
    assert "A comparison is open on your desk." in page
    assert "Continue" in page


def test_a_paused_project_hands_out_nothing(make, browse):
    project = make.project(status=ProjectStatus.PAUSED)
    user = make.member(project)
    make.task(project)
    page = browse(user).get("/").text
    assert "Paused: no new work is handed out." in page
    assert "Start judging" not in page


def test_a_full_queue_is_not_counted_to_its_end(make, browse, monkeypatch):
    monkeypatch.setattr("app.dashboard.queries.WAITING_SHOWN", 2)
    project = make.project()
    user = make.member(project)
    for _ in range(4):
        make.task(project)
    assert "3 comparisons wait for you." in browse(user).get("/").text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.REVIEWER])
def test_staff_see_progress_without_gold_and_go_to_the_overview(make, browse, role):
    project = make.project()
    make.task(project)
    make.task(project, overlap=1, n_counted=1, status=TaskStatus.DONE)
    make.task(project, gold="first")
    page = browse(make.member(project, role)).get("/").text
    assert "1 of 2" in page
    assert f'href="/projects/{project.id}"' in page


def test_an_admin_of_an_empty_project_is_led_to_the_import(make, browse):
    project = make.project()
    assert f'href="/projects/{project.id}/import"' in browse(make.member(project, Role.ADMIN)).get("/").text
    assert "/import" not in browse(make.member(project, Role.REVIEWER)).get("/").text


def test_the_sample_project_is_offered_once(make, browse):
    admin = make.admin()
    make.project(is_sample=True)
    page = browse(admin).get("/").text
    assert 'action="/projects/sample"' not in page
    assert 'href="/projects/new"' in page


def test_archived_projects_are_on_a_list_of_their_own(make, browse):
    user = make.user()
    for status in ProjectStatus:
        make.member(make.project(name=f"{status} one", status=status), user=user)
    client = browse(user)
    assert sorted(cards(client.get("/"))) == ["active one", "paused one"]
    assert sorted(cards(client.get("/projects"))) == ["active one", "paused one"]
    assert cards(client.get("/projects?archived=true")) == ["archived one"]


def test_the_list_is_paged(make, browse, monkeypatch):
    monkeypatch.setattr("app.dashboard.service.CARDS", 2)
    user = make.user()
    for n in range(3):
        make.member(make.project(name=f"project-{n}"), user=user)
    client = browse(user)
    first = client.get("/projects")
    assert cards(first) == ["project-2", "project-1"]
    following = re.search(r'href="(/projects\?cursor=\d+)"', first.text).group(1)
    assert cards(client.get(following)) == ["project-0"]


@pytest.mark.parametrize("cursor", ["0", "x", "9" * 30])
def test_a_foreign_cursor_is_refused(make, browse, cursor):
    assert browse(make.user()).get(f"/projects?cursor={cursor}").status_code == 422


def test_names_are_shown_as_text(make, browse):
    project = make.project(name="<script>alert(1)</script>", question='"><img src=x>')
    page = browse(make.member(project)).get("/").text
    assert "<script>alert" not in page
    assert "<img" not in page


@pytest.mark.parametrize("n_projects", [1, 8])
@pytest.mark.parametrize("role", [Role.ADMIN, Role.ANNOTATOR, None])
def test_home_takes_eight_statements_at_most(make, browse, count_statements, n_projects, role):
    user = make.user(is_instance_admin=role is None)
    for _ in range(n_projects):
        project = make.project()
        make.task(project)
        if role is not None:
            make.member(project, role, user)
    client = browse(user)
    client.get("/")
    with count_statements() as counted:
        assert client.get("/").status_code == 200
    assert len(counted) <= 8, counted


def test_an_expired_lease_is_no_open_one(make, browse, db):
    project = make.project()
    user = make.member(project)
    assignment = make.assignment(make.task(project, overlap=1), make.annotator(user))
    assignment.state, assignment.closed_at = AssignmentState.EXPIRED, assignment.expires_at
    db.commit()
    assert "Nothing waits for you right now." in browse(user).get("/").text
