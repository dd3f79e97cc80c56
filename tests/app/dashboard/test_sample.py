"""The sample project: made once, filled on request, for nobody but admins."""

from __future__ import annotations

import sqlalchemy as sa
from typer.testing import CliRunner

from app.__main__ import cli
from app.dashboard import sample
from app.models import AuditEvent, GoldAnswer, Job, Membership, Project, ProjectStatus, Prompt, Role, Task
from app.projects import queries


def count(db, *conditions):
    return db.scalar(sa.select(sa.func.count()).where(*conditions))


def test_it_comes_with_tasks_guidelines_and_known_answers(make, db):
    admin = make.admin()
    project, is_new = sample.create_sample(db, actor_id=admin.id)
    assert (is_new, project.is_sample, project.status) == (True, True, ProjectStatus.ACTIVE)
    assert count(db, Prompt.project_id == project.id) >= 60
    assert count(db, Task.project_id == project.id) > count(db, Prompt.project_id == project.id)
    assert count(db, GoldAnswer.task_id == Task.id, Task.project_id == project.id) >= 5
    assert "Strength" in queries.current_guideline(db, project.id).body
    policy, schema = queries.current_policy(db, project.id)[1], queries.current_schema(db, project.id)[1]
    assert (policy.overlap, policy.gold_rate, schema.pairwise.strength_steps) == (3, 0.1, 3)
    role = db.scalar(sa.select(Membership.role).where(Membership.project_id == project.id))
    assert role == Role.ADMIN


def test_asking_again_finds_the_same_project(make, db):
    admin = make.admin()
    project, _ = sample.create_sample(db, actor_id=admin.id)
    tasks = count(db, Task.project_id == project.id)
    assert sample.create_sample(db, actor_id=admin.id) == (project, False)
    assert count(db, Task.project_id == project.id) == tasks
    assert count(db, Project.is_sample) == 1


def test_an_archived_one_makes_room_for_a_new_one(make, db):
    project, _ = sample.create_sample(db, actor_id=make.admin().id)
    project.status = ProjectStatus.ARCHIVED
    db.flush()
    again, is_new = sample.create_sample(db, actor_id=None)
    assert (is_new, again.id != project.id) == (True, True)


def test_the_button_leads_to_the_project(make, browse, db):
    client = browse(make.admin())
    first = client.post("/projects/sample")
    assert first.status_code == 303
    assert client.post("/projects/sample").headers["location"] == first.headers["location"]
    assert "Fill with simulated annotators" in client.get(first.headers["location"]).text


def test_the_api_says_whether_it_was_made(make, browse):
    client = browse(make.admin())
    first = client.post("/api/v1/projects/sample").json()
    assert first["created"] is True
    assert client.post("/api/v1/projects/sample").json() == {"project_id": first["project_id"], "created": False}


def test_only_instance_admins_make_it(make, browse):
    client = browse(make.member(make.project(), Role.ADMIN))
    assert client.post("/projects/sample").status_code == 403
    assert client.post("/api/v1/projects/sample").status_code == 403


def jobs(db, project):
    return db.scalars(sa.select(Job).where(Job.project_id == project.id)).all()


def test_filling_queues_one_job_however_often_it_is_asked_for(make, browse, db):
    project = make.project(is_sample=True)
    make.task(project)
    client = browse(make.member(project, Role.ADMIN))
    for _ in range(2):
        assert client.post(f"/projects/{project.id}/simulate").headers["location"] == f"/projects/{project.id}"
    (job,) = jobs(db, project)
    assert (job.kind, job.payload) == ("simulate_annotators", {"project_id": project.id})
    assert f"/jobs/{job.id}/card" in client.get(f"/projects/{project.id}").text
    assert client.post(f"/api/v1/projects/{project.id}/simulate").json()["id"] == job.id
    assert count(db, AuditEvent.action == "sample.fill", AuditEvent.project_id == project.id) == 3


def test_a_real_project_is_never_filled(make, browse, db):
    project = make.project()
    make.task(project)
    client = browse(make.member(project, Role.ADMIN))
    assert "simulated annotators" not in client.get(f"/projects/{project.id}").text
    assert client.post(f"/projects/{project.id}/simulate").status_code == 409
    assert client.post(f"/api/v1/projects/{project.id}/simulate").json()["code"] == "not_a_sample"
    assert jobs(db, project) == []


def test_a_paused_sample_is_not_filled(make, browse, db):
    project = make.project(is_sample=True, status=ProjectStatus.PAUSED)
    client = browse(make.member(project, Role.ADMIN))
    assert client.post(f"/api/v1/projects/{project.id}/simulate").json()["code"] == "project_not_active"
    assert jobs(db, project) == []


def test_only_admins_of_the_project_fill_it(make, browse):
    project = make.project(is_sample=True)
    for role in (Role.REVIEWER, Role.ANNOTATOR):
        assert browse(make.member(project, role)).post(f"/projects/{project.id}/simulate").status_code == 403
    assert browse(make.member(make.project(), Role.ADMIN)).post(f"/projects/{project.id}/simulate").status_code == 404


def test_the_command_line_makes_it_once(db):
    said = [CliRunner().invoke(cli, ["sample"]) for _ in range(2)]
    project = db.scalars(sa.select(Project).where(Project.is_sample)).one()
    assert [result.exit_code for result in said] == [0, 0]
    assert said[0].output == f"The sample project is ready: http://127.0.0.1:8000/projects/{project.id}\n"
    assert said[1].output.startswith("The sample project is there already: ")
