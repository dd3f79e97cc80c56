"""Pages of a project's making and settings, as each role sees them."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.models import Membership, Project, ProjectStatus, Role, Task, TaskStatus
from app.projects import queries
from app.projects.definitions import AnswerSchema, Pairwise, Policy
from tests.support.browsing import form

NEW = {
    "name": "Helpfulness",
    "question": "Which response helps more?",
    "language": "de",
    "timezone": "Europe/Berlin",
    "overlap": "5",
    "strength_steps": "2",
    "allows_tie": "true",
}
DETAILS = {"name": "New name", "question": "New question?", "language": "en", "timezone": "UTC"}
WORK = {"kind": "mixed", "overlap": "4", "lease_minutes": "10", "gold_percent": "7.5", "edit_hours": "2"}


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(make, browse, project):
    return browse(make.member(project, Role.ADMIN))


def test_an_instance_admin_makes_a_project_and_is_its_admin(make, browse, db):
    user = make.admin()
    client = browse(user)
    assert "New project" in client.get("/projects/new").text
    response = client.post("/projects", data=NEW)
    assert response.status_code == 303
    project = db.scalars(sa.select(Project).where(Project.name == "Helpfulness")).one()
    assert response.headers["location"] == f"/projects/{project.id}"
    assert (project.language, project.timezone) == ("de", "Europe/Berlin")
    assert queries.current_policy(db, project.id)[1] == Policy(overlap=5)
    assert queries.current_schema(db, project.id)[1] == AnswerSchema(
        overall=Pairwise(allows_both_bad=False, strength_steps=2)
    )
    member = db.scalars(sa.select(Membership).where(Membership.project_id == project.id)).one()
    assert (member.user_id, member.role) == (user.id, Role.ADMIN)


@pytest.mark.parametrize(
    ("sent", "overlaps"),
    [
        ({"kind": "objective", "overlap": "", "max_overlap": ""}, (2, 7)),
        ({"kind": "subjective", "overlap": ""}, (3, None)),
        ({"kind": "evaluation", "overlap": " "}, (5, None)),
        ({"overlap": ""}, (3, 5)),
        ({"kind": "objective", "overlap": "4"}, (4, None)),
        ({"kind": "objective", "overlap": "4", "max_overlap": "6"}, (4, 6)),
        ({"kind": "mixed", "overlap": "", "max_overlap": "9"}, (3, 9)),
    ],
)
def test_what_is_asked_chooses_the_overlap_where_none_is_given(make, browse, db, sent, overlaps):
    client = browse(make.admin())
    response = client.post("/projects", data={**NEW, **sent})
    project_id = int(response.headers["location"].rpartition("/")[2])
    policy = queries.current_policy(db, project_id)[1]
    assert (policy.overlap, policy.max_overlap) == overlaps
    assert policy.kind == sent.get("kind", "mixed")
    page = client.get(f"/projects/{project_id}/settings").text
    assert re.search(rf'name="kind"\s+value="{policy.kind}"\s+checked', page)
    assert "There is a right answer" in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("max_overlap", "4", "This cannot be smaller than the overlap."),
        ("kind", "guess", "Please choose one of the list."),
        ("name", "  ", "Please fill this in."),
        ("name", "x" * 121, "Please use at most 120 characters."),
        ("name", "a\x00b", "cannot be stored"),
        ("question", "", "Please fill this in."),
        ("language", "klingon", "This language is not known."),
        ("language", "../..", "This language is not known."),
        ("timezone", "Mars/Olympus", "This time zone is not known."),
        ("overlap", "0", "Please give a number from 1 upwards."),
        ("overlap", "51", "Please give a number up to 50."),
        ("overlap", "three", "Please give a whole number."),
        ("strength_steps", "5", "Please give a number up to 4."),
    ],
)
def test_a_field_that_cannot_be_used_gets_a_sentence_and_everything_typed_is_kept(
    make, browse, db, field, value, sentence
):
    typed = {**NEW, field: value}
    response = browse(make.admin()).post("/projects", data=typed)
    assert response.status_code == 422
    assert sentence in response.text
    assert f'id="field-{field}-error"' in response.text
    kept = "question" if field != "question" else "name"
    assert f'value="{typed[kept]}"' in response.text
    assert db.scalar(sa.select(sa.func.count()).where(Project.question == NEW["question"])) == 0


@pytest.mark.parametrize("role", [Role.ADMIN, Role.REVIEWER, Role.ANNOTATOR])
def test_only_instance_admins_make_projects(make, browse, project, role):
    client = browse(make.member(project, role))
    assert client.get("/projects/new").status_code == 403
    assert client.post("/projects", data=NEW).status_code == 403


def test_the_settings_show_what_holds(admin, project):
    page = admin.get(f"/projects/{project.id}/settings").text
    assert f'value="{project.name}"' in page
    assert re.search(r'name="overlap"[^>]*value="3"', page)
    assert re.search(r'name="gold_percent"[^>]*value="4"', page)


@pytest.mark.parametrize(("section", "data"), [("details", DETAILS), ("work", WORK)])
def test_each_section_saves_and_says_so(admin, project, section, data):
    response = admin.post(f"/projects/{project.id}/settings/{section}", data=data)
    assert response.status_code == 303
    shown = admin.get(response.headers["location"])
    assert "saved" in shown.text


def test_sections_write_what_they_say(admin, project, db):
    base = f"/projects/{project.id}/settings"
    for section, data in (("details", DETAILS), ("work", WORK)):
        admin.post(f"{base}/{section}", data=data)
    db.expire_all()
    assert (project.name, project.question) == ("New name", "New question?")
    assert queries.current_policy(db, project.id)[1] == Policy(
        overlap=4, lease_minutes=10, gold_rate=0.075, edit_hours=2
    )


@pytest.mark.parametrize(
    ("section", "data", "sentence"),
    [
        ("details", {**DETAILS, "name": ""}, "Please fill this in."),
        ("work", {**WORK, "lease_minutes": "0"}, "Please give a number from 1 upwards."),
        ("work", {**WORK, "gold_percent": "nan"}, "Please give a number."),
        ("work", {**WORK, "edit_hours": ""}, "Please give a whole number."),
    ],
)
def test_a_refused_section_keeps_what_was_typed_and_changes_nothing(admin, project, db, section, data, sentence):
    before = queries.current_policy(db, project.id), queries.current_schema(db, project.id), project.name
    response = admin.post(f"/projects/{project.id}/settings/{section}", data=data)
    assert response.status_code == 422
    assert sentence in response.text
    for value in data.values():
        assert value in ("", "9") or f'value="{value}"' in response.text  # a list holds no foreign value
    db.expire_all()
    assert before == (queries.current_policy(db, project.id), queries.current_schema(db, project.id), project.name)


def test_an_overlap_in_the_settings_reaches_the_tasks(admin, project, make, db):
    task = make.task(project, overlap=3, n_counted=3, status=TaskStatus.DONE)
    admin.post(f"/projects/{project.id}/settings/work", data=WORK)
    row = db.execute(sa.select(Task.n_target, Task.status).where(Task.id == task.id)).one()
    assert tuple(row) == (4, TaskStatus.OPEN)


def status(db, project):
    return db.scalar(sa.select(Project.status).where(Project.id == project.id))


def test_pause_and_resume(admin, project, db):
    assert admin.post(f"/projects/{project.id}/pause").status_code == 303
    assert status(db, project) == ProjectStatus.PAUSED
    assert "Resume project" in admin.get(f"/projects/{project.id}/settings").text
    admin.post(f"/projects/{project.id}/resume")
    assert status(db, project) == ProjectStatus.ACTIVE


def test_archiving_asks_first(admin, project, db):
    response = admin.post(f"/projects/{project.id}/archive")
    assert response.status_code == 422
    assert "Tick the box" in response.text
    assert status(db, project) == ProjectStatus.ACTIVE


def test_an_archived_project_shows_no_forms_and_takes_none(admin, project, db):
    assert admin.post(f"/projects/{project.id}/archive", data=form(confirm="true")).status_code == 303
    assert status(db, project) == ProjectStatus.ARCHIVED
    page = admin.get(f"/projects/{project.id}/settings").text
    assert "/settings/details" not in page
    for path, data in (("settings/details", DETAILS), ("settings/work", WORK)):
        refused = admin.post(f"/projects/{project.id}/{path}", data=data)
        assert (refused.status_code, "archived" in refused.text) == (409, True)
    assert admin.post(f"/projects/{project.id}/pause").status_code == 409
    assert admin.post(f"/projects/{project.id}/restore").status_code == 303
    assert status(db, project) == ProjectStatus.PAUSED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "settings"),
        ("POST", "settings/details"),
        ("GET", "schema"),
        ("POST", "schema"),
        ("POST", "settings/work"),
        ("POST", "pause"),
        ("POST", "resume"),
        ("POST", "archive"),
        ("POST", "restore"),
    ],
)
def test_settings_are_for_admins_of_the_project(make, browse, project, method, path):
    address = f"/projects/{project.id}/{path}"
    for role in (Role.REVIEWER, Role.ANNOTATOR):
        assert browse(make.member(project, role)).request(method, address).status_code == 403
    assert browse(make.member(make.project(), Role.ADMIN)).request(method, address).status_code == 404
    assert browse(make.user()).request(method, address).status_code == 404


@pytest.mark.parametrize("project_id", ["0", "-1", "999999999999", "9" * 30, "x"])
def test_an_id_that_cannot_be_is_not_found(make, browse, project_id):
    assert browse(make.admin()).get(f"/projects/{project_id}/settings").status_code == 404


def test_a_language_set_through_the_api_stays_selected(admin, project, db):
    project.language = "eo"
    db.commit()
    assert '<option value="eo"' in admin.get(f"/projects/{project.id}/settings").text
