"""Import in the browser and by the API: upload, preview, start, progress, result; each bad file with its sentence."""

import io
import time

import pytest
import sqlalchemy as sa

from app import storage
from app.exchange import uploads
from app.models import Annotation, AuditEvent, ImportBatch, Job, JobState, Prompt, Role, Task
from app.queue import Job as Kind
from tests.app.exchange.test_command import BAD, PAIR, jsonl
from workers.tasks.jobs import run_job

VOTED = {**PAIR, "task_id": "voted", "votes": [{"annotator": "w1", "choice": "response_a", "strength": 2}]}


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(browse, make, project):
    return browse(make.member(project, Role.ADMIN))


@pytest.fixture
def upload(admin, project):
    def upload(content: bytes, name: str = "rows.jsonl", **fields):
        return admin.post(f"/projects/{project.id}/import", files={"file": (name, content)}, data=fields)

    return upload


def count(db, model) -> int:
    return db.scalar(sa.select(sa.func.count()).select_from(model))


def stored_files() -> int:
    filesystem, path = storage._path("imports")
    return len(filesystem.ls(path)) if filesystem.exists(path) else 0


def started(admin, upload, *records, **fields):
    """Upload and start; returns the path of the job's page."""
    preview = upload(jsonl(*records)).headers["location"]
    answer = admin.post(f"{preview}/start", data=fields)
    assert answer.status_code == 303
    return answer.headers["location"]


def test_the_page_explains_what_a_row_holds(admin, project):
    page = admin.get(f"/projects/{project.id}/import")
    assert page.status_code == 200
    assert 'enctype="multipart/form-data"' in page.text
    assert "Why is the sky blue?" in page.text


def test_the_preview_says_what_will_happen_and_writes_nothing(admin, upload, db):
    hostile = {**PAIR, "prompt": "<script>alert(1)</script>", "language": "de", "responses": ["x", "y", "z"]}
    answer = upload(jsonl(VOTED, hostile))
    assert answer.status_code == 303
    page = admin.get(answer.headers["location"]).text
    assert "Import 4 tasks" in page
    assert "1 row with 3" in page
    assert "de · 1" in page
    assert "1 task brings votes" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert count(db, Prompt) == 0


def test_an_import_goes_from_file_to_tasks(admin, upload, db, project):
    address = started(admin, upload, VOTED, {**PAIR, "prompt": "How?"}, overlap="2", extra_overlap="1")
    assert 'hx-trigger="every 1s"' in admin.get(address).text
    run_job(int(address.rpartition("/")[2]))
    page = admin.get(address).text
    assert "2 tasks were added." in page
    assert "1 vote was added." in page
    assert "every 1s" not in page
    found = db.execute(sa.select(Task.n_counted, Task.n_target).order_by(Task.id)).all()
    assert found == [(1, 2), (0, 2)]
    assert count(db, Annotation) == 1
    assert "rows.jsonl" in admin.get(f"/projects/{project.id}/import").text
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "tasks.imported")).one()
    assert (event.via, event.project_id) == ("worker", project.id)


def test_the_uploaded_file_goes_once_it_is_imported(admin, upload):
    before = stored_files()
    address = started(admin, upload, PAIR)
    assert stored_files() == before + 1
    run_job(int(address.rpartition("/")[2]))
    assert stored_files() == before


def test_starting_twice_is_one_import(admin, upload, db):
    preview = upload(jsonl(PAIR)).headers["location"]
    first = admin.post(f"{preview}/start").headers["location"]
    assert admin.post(f"{preview}/start").headers["location"] == first
    run_job(int(first.rpartition("/")[2]))
    assert admin.post(f"{preview}/start").headers["location"] == first
    assert count(db, Prompt) == 1


def test_the_same_file_again_adds_nothing(admin, upload, db):
    run_job(int(started(admin, upload, VOTED).rpartition("/")[2]))
    again = upload(jsonl(VOTED)).headers["location"]
    assert "is there already" in admin.get(again).text
    address = admin.post(f"{again}/start").headers["location"]
    run_job(int(address.rpartition("/")[2]))
    assert "nothing was added" in admin.get(address).text
    assert (count(db, Prompt), count(db, Annotation), count(db, ImportBatch)) == (1, 1, 1)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_answered_422_with_its_sentence_and_not_kept(admin, upload, db, case):
    content, name, sentence = BAD[case]
    before = stored_files()
    answer = upload(content, name)
    assert answer.status_code == 422
    assert sentence in answer.text.replace("&#34;", '"')
    assert "Upload" not in answer.text or "Choose another file" in answer.text
    assert count(db, Prompt) == 0
    assert stored_files() == before


def test_a_bomb_is_answered_within_a_second(admin, upload, project):
    admin.get(f"/projects/{project.id}/import")
    content, name, _sentence = BAD["zip bomb"]
    begun = time.perf_counter()
    assert upload(content, name).status_code == 422
    assert time.perf_counter() - begun < 1


def test_problems_can_be_downloaded_as_a_sheet_without_formulas(admin, upload, db, project):
    upload(jsonl({**PAIR, "task_id": "=1+1"}, {**PAIR, "task_id": "=1+1"}))
    job = db.scalars(sa.select(Job)).one()
    job.result = {**job.result, "problems": [*job.result["problems"], {"row": 3, "column": "=x", "sentence": "-y"}]}
    db.commit()
    answer = admin.get(f"/projects/{project.id}/import/{job.id}/problems.csv")
    lines = answer.text.splitlines()
    assert lines[0] == "row,column,problem"
    assert lines[1].startswith("2,task_id,")
    assert lines[2] == "3,'=x,'-y"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_no_file_is_a_sentence_at_the_field(admin, project):
    answer = admin.post(f"/projects/{project.id}/import", data={})
    assert answer.status_code == 422
    assert "Choose a file first." in answer.text


def test_a_number_out_of_range_is_a_sentence_at_the_field(admin, upload):
    preview = upload(jsonl(VOTED)).headers["location"]
    answer = admin.post(f"{preview}/start", data={"overlap": "99", "extra_overlap": "x"})
    assert answer.status_code == 422
    assert "up to 50" in answer.text
    assert "whole number" in answer.text
    assert 'value="99"' in answer.text


def test_a_file_over_the_limit_is_refused_and_not_kept(admin, upload, db, monkeypatch):
    monkeypatch.setattr(uploads.settings(), "max_upload_bytes", 1024)
    before = stored_files()
    answer = upload(b"x" * 2000)
    assert answer.status_code == 413
    assert "larger than" in answer.text
    assert stored_files() == before


def test_a_file_may_be_larger_than_any_other_body(admin, upload, project):
    rows = [{**PAIR, "prompt": f"{n}", "responses": ["a" * 90_000, "b" * 90_000]} for n in range(60)]
    assert upload(jsonl(*rows)).status_code == 303
    assert admin.post(f"/projects/{project.id}/pause", data={"x": "y" * 9_000_000}).status_code == 413


def test_a_long_preview_is_a_job_that_leads_on_to_the_page(admin, upload, db, monkeypatch):
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 10)
    preview = upload(jsonl(PAIR)).headers["location"]
    job_id = int(preview.rpartition("/")[2])
    assert "being read" in admin.get(preview).text
    card = f"/jobs/{job_id}/card?follow=true"
    assert f'hx-get="{card}"' in admin.get(card, headers={"HX-Request": "true"}).text
    run_job(job_id)
    done = admin.get(card, headers={"HX-Request": "true"})
    assert (done.status_code, done.headers["HX-Redirect"]) == (204, preview)
    assert "Import 1 task" in admin.get(preview).text


def test_a_preview_that_takes_too_long_goes_on_as_a_job(db, project, make):
    job = uploads.take_upload(
        db,
        viewer_id=make.admin().id,
        project_id=project.id,
        stream=io.BytesIO(jsonl(PAIR)),
        filename="../../etc/rows.jsonl",
        options=uploads.ImportOptions(),
        at_once_seconds=-1,
    )
    assert (job.state, job.kind, job.payload["filename"]) == (JobState.QUEUED, Kind.PREVIEW_IMPORT, "rows.jsonl")


def test_problems_found_by_a_job_are_shown_and_nothing_is_kept(admin, upload, db, monkeypatch, project):
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 10)
    before = stored_files()
    preview = upload(jsonl(PAIR, {**PAIR, "responses": ["one"]})).headers["location"]
    run_job(int(preview.rpartition("/")[2]))
    assert stored_files() == before
    page = admin.get(preview).text
    assert "This file cannot be imported" in page
    assert "Give every task at least two" in page
    assert admin.post(f"{preview}/start").status_code == 409
    assert count(db, Prompt) == 0


def test_what_changed_since_the_preview_is_found_by_the_import(admin, upload, db):
    first = upload(jsonl({**PAIR, "task_id": "t1"})).headers["location"]
    second = upload(jsonl({**PAIR, "task_id": "t1", "prompt": "Other?"})).headers["location"]
    address = admin.post(f"{first}/start").headers["location"]
    late = admin.post(f"{second}/start").headers["location"]
    run_job(int(address.rpartition("/")[2]))
    run_job(int(late.rpartition("/")[2]))
    page = admin.get(late).text
    assert "already there with another text" in page
    assert count(db, Prompt) == 1


def test_an_archived_project_takes_no_import(admin, upload, db, project):
    project.status = "archived"
    db.commit()
    assert upload(jsonl(PAIR)).status_code == 409


def test_old_uploads_are_deleted(upload, db):
    before = stored_files()
    upload(jsonl(PAIR))
    assert uploads.purge_uploads(db) == 0
    db.execute(sa.update(Job).values(finished_at=sa.func.now() - sa.text("interval '3 days'")))
    assert uploads.purge_uploads(db) == 1
    assert stored_files() == before


def test_a_purged_upload_asks_for_the_file_again(admin, upload, db):
    preview = upload(jsonl(PAIR)).headers["location"]
    db.execute(sa.update(Job).values(finished_at=sa.func.now() - sa.text("interval '3 days'")))
    db.expire_all()
    uploads.purge_uploads(db)
    db.commit()
    assert admin.post(f"{preview}/start").status_code == 409


def test_the_api_does_what_the_pages_do(admin, project, db):
    base = f"/api/v1/projects/{project.id}"
    preview = admin.post(f"{base}/imports", files={"file": ("rows.jsonl", jsonl(VOTED))})
    assert preview.status_code == 202
    assert preview.json()["result"]["counts"]["votes"] == 1
    job = admin.post(f"{base}/imports/{preview.json()['id']}/start", json={"extra_overlap": 2})
    assert (job.status_code, job.json()["state"]) == (202, "queued")
    run_job(job.json()["id"])
    read = admin.get(f"/api/v1/jobs/{job.json()['id']}").json()
    assert (read["state"], read["result"]["counts"]["tasks"]) == ("succeeded", 1)
    assert db.scalars(sa.select(Task.n_target)).one() == 3
    [batch] = admin.get(f"{base}/imports").json()["items"]
    assert (batch["filename"], batch["counts"]["tasks"]) == ("rows.jsonl", 1)


def test_the_api_lists_the_problems(admin, project, db):
    answer = admin.post(
        f"/api/v1/projects/{project.id}/imports", files={"file": ("rows.jsonl", jsonl({"prompt": "x"}))}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["code"] == "import_refused"
    assert body["details"]["problems"][0]["code"]
    assert count(db, Job) == 0


def test_only_admins_import(browse, make, project):
    reviewer = browse(make.member(project, Role.REVIEWER))
    assert reviewer.get(f"/projects/{project.id}/import").status_code == 403
    assert reviewer.post(f"/projects/{project.id}/import", files={"file": ("a.jsonl", jsonl(PAIR))}).status_code == 403


def test_a_preview_of_another_project_is_not_found(admin, upload, make, browse):
    preview = upload(jsonl(PAIR)).headers["location"].rpartition("/")[2]
    other = make.project()
    stranger = browse(make.member(other, Role.ADMIN))
    assert stranger.get(f"/projects/{other.id}/import/{preview}").status_code == 404
    assert stranger.post(f"/projects/{other.id}/import/{preview}/start").status_code == 404
    assert stranger.get(f"/projects/{other.id}/import/{preview}/problems.csv").status_code == 404
