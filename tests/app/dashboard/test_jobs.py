"""Jobs as pages and JSON: who may see them, how they show their progress, how they are cancelled."""

import re

import pytest
import sqlalchemy as sa

from app import queue
from app.models import AuditEvent, Job, JobState, Role


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(browse, make, project):
    return browse(make.member(project, Role.ADMIN))


@pytest.fixture
def job(db, project):
    payload = {"filename": "rows.jsonl", "n_rows": 200}
    row = queue.enqueue(db, queue.Job.IMPORT_TASKS, payload, project_id=project.id)
    db.commit()
    return row


def running(db, job, **values):
    claimed = queue.claim(job.id)
    db.expire_all()
    for name, value in values.items():
        setattr(job, name, value)
    db.commit()
    return claimed


def test_a_project_without_jobs_says_where_they_come_from(admin, project):
    page = admin.get(f"/projects/{project.id}/jobs").text
    assert f'href="/projects/{project.id}/import"' in page


def test_a_waiting_job_asks_for_itself_and_can_be_cancelled(admin, project, job):
    page = admin.get(f"/projects/{project.id}/jobs").text
    assert "Import of rows.jsonl" in page
    assert f'hx-get="/jobs/{job.id}/card"' in page
    assert f'action="/jobs/{job.id}/cancel"' in page


def test_a_running_job_shows_rows_done(admin, job, db):
    running(db, job, progress=0.5, phase="importing", message="100")
    card = admin.get(f"/jobs/{job.id}/card").text
    assert re.search(r'value="100"\s+max="200"', card)
    assert "Importing the rows" in card


def test_an_ended_job_stops_asking(admin, job, db):
    claimed = running(db, job)
    queue.finish(job.id, claimed.attempt, JobState.FAILED, error="The disk is full.")
    db.expire_all()
    card = admin.get(f"/jobs/{job.id}/card").text
    assert "every 1s" not in card
    assert "The disk is full." in card
    assert "/cancel" not in card


def test_cancelling_what_waits_ends_it_at_once(admin, job, db):
    answer = admin.post(f"/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job.id}")
    db.expire_all()
    assert db.get(Job, job.id).state == JobState.CANCELLED
    assert db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "job.cancelled")).one().target_id == str(job.id)


def test_cancelling_what_runs_asks_it_to_stop(admin, job, db):
    claimed = running(db, job)
    card = admin.post(f"/jobs/{job.id}/cancel", headers={"HX-Request": "true"})
    assert card.status_code == 200
    assert card.text.lstrip().startswith("<article")
    assert "Stopping" in card.text
    with pytest.raises(queue.Cancelled):
        queue.report(job.id, claimed.attempt, progress=0.1)


def test_an_ended_job_cannot_be_cancelled(admin, job):
    admin.post(f"/jobs/{job.id}/cancel")
    answer = admin.post(f"/api/v1/jobs/{job.id}/cancel")
    assert answer.status_code == 409


def test_the_list_is_paged_by_cursor(admin, project, db):
    for _ in range(23):
        queue.enqueue(db, queue.Job.IMPORT_TASKS, {"filename": "x"}, project_id=project.id)
    db.commit()
    first = admin.get(f"/projects/{project.id}/jobs").text
    assert first.count("<article") == 20
    cursor = db.scalars(sa.select(Job.id).order_by(Job.id.desc()).offset(19)).first()
    assert f"cursor={cursor}" in first
    assert admin.get(f"/projects/{project.id}/jobs?cursor={cursor}").text.count("<article") == 3
    page = admin.get(f"/api/v1/projects/{project.id}/jobs?cursor={cursor}").json()
    assert (len(page["items"]), page["next_cursor"]) == (3, None)


def test_a_job_is_for_its_projects_admins_and_its_creator(browse, make, project, db):
    creator = make.member(project, Role.REVIEWER)
    job = queue.enqueue(db, queue.Job.IMPORT_TASKS, {"filename": "x"}, project_id=project.id, created_by_id=creator.id)
    db.commit()
    seen = {
        "creator": browse(creator),
        "admin": browse(make.member(project, Role.ADMIN)),
        "instance admin": browse(make.admin()),
        "reviewer": browse(make.member(project, Role.REVIEWER)),
        "admin elsewhere": browse(make.member(make.project(), Role.ADMIN)),
    }
    statuses = {who: client.get(f"/jobs/{job.id}").status_code for who, client in seen.items()}
    assert statuses == {"creator": 200, "admin": 200, "instance admin": 200, "reviewer": 404, "admin elsewhere": 404}
    assert seen["reviewer"].post(f"/jobs/{job.id}/cancel").status_code == 404
    assert seen["admin elsewhere"].get(f"/api/v1/jobs/{job.id}").status_code == 404


def test_a_job_of_no_project_is_the_instance_admins(browse, make, db, project):
    job = queue.enqueue(db, queue.Job.SEND_MAIL, {})
    db.commit()
    assert browse(make.admin()).get(f"/jobs/{job.id}").status_code == 200
    assert browse(make.member(project, Role.ADMIN)).get(f"/jobs/{job.id}").status_code == 404


def test_jobs_that_do_not_exist_are_not_found(admin):
    assert admin.get("/jobs/999999999").status_code == 404


def test_a_training_says_its_place_in_the_line_then_its_phase_and_the_time_left(admin, project, db):
    first, second = (
        queue.enqueue(db, queue.Job.TRAIN, {"run_id": n}, key=f"run-{n}", project_id=project.id) for n in (1, 2)
    )
    db.commit()
    queue.claim(first.id)
    queue.report(first.id, 1, progress=0.25, phase="training", message="125")
    assert "In the queue (running now: 1, before this: 0)" in admin.get(f"/jobs/{second.id}/card").text
    assert "In the queue (running now: 1, before this: 0)" in admin.get(f"/projects/{project.id}/jobs").text
    queue.claim(second.id, lambda _session, _job: "waiting_for_device")
    assert "Waiting for a free device" in admin.get(f"/jobs/{second.id}").text
    card = admin.get(f"/jobs/{first.id}/card").text
    assert "Training of a model" in card
    assert "Training, in per cent" in card
    assert re.search(r"About 2\D+left", card)


def test_the_places_of_all_that_wait_cost_one_statement(admin, project, db, count_statements):
    def listed(n):
        for _ in range(n):
            queue.enqueue(db, queue.Job.TRAIN, {"run_id": 1}, project_id=project.id)
        db.commit()
        with count_statements() as counted:
            page = admin.get(f"/projects/{project.id}/jobs").text
        return page.count("In the queue"), len(counted)

    (few, statements), (many, same) = listed(2), listed(10)
    assert (few > 0, many > few) == (True, True)
    assert same == statements
