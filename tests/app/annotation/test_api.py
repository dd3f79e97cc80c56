from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.models import Annotation, Assignment, ProjectStatus
from tests.support.browsing import form

API = "/api/v1"


@pytest.fixture
def person(make, project):
    return make.member(project)


@pytest.fixture
def client(browse, person):
    return browse(person)


def take_next(client, project):
    return client.post(f"{API}/projects/{project.id}/next").json()


def address(assignment, deed="annotation"):
    return f"{API}/assignments/{assignment['public_id']}/{deed}"


def test_next_tells_what_an_annotator_may_know_and_no_more(make, project, client):
    make.task(project, prompt="Why?", responses=("One.", "Two."))
    answer = take_next(client, project)
    found = answer["assignment"]
    assert found["prompt"] == "Why?"
    assert set(found["responses"]) == {"One.", "Two."}
    assert (found["question"], found["schema_number"]) == (project.question, 1)
    assert found["answer_schema"]["overall"]["strength_steps"] == 3
    assert set(found) == {
        "public_id",
        "prompt",
        "messages",
        "content_warning",
        "documents",
        "responses",
        "question",
        "schema_number",
        "answer_schema",
        "guideline_number",
        "expires_at",
    }
    assert (answer["reason"], answer["progress"]) == (None, {"today": 0, "total": 0})


def test_a_judgement_sent_twice_has_the_same_id(make, project, client, db):
    make.task(project)
    found = take_next(client, project)["assignment"]
    key = {"Idempotency-Key": "my-key"}
    body = {"answer": -3, "rationale": "Left.", "is_flagged": True, "active_ms": 10}
    first = client.post(address(found), json=body, headers=key)
    again = client.post(address(found), json=body | {"active_ms": 99}, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["answer"], first.json()["is_late"], first.json()["revision"]) == (-3, False, 1)
    other = client.post(address(found), json=body | {"answer": 3}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert db.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 1


@pytest.mark.parametrize("body", [{}, {"answer": 9}, {"answer": "left"}, {"answer": 1, "rationale": "x" * 10_001}])
def test_a_body_that_cannot_be_used_is_422(make, project, client, body):
    make.task(project)
    found = take_next(client, project)["assignment"]
    answer = client.post(address(found), json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_an_answer_outside_the_schema_names_its_field(make, project, client):
    make.task(project)
    found = take_next(client, project)["assignment"]
    answer = client.post(address(found), json={"answer": 4})
    assert (answer.status_code, answer.json()["field"]) == (422, "answer")


def test_a_key_of_strange_characters_is_422(make, project, client):
    make.task(project)
    found = take_next(client, project)["assignment"]
    answer = client.post(address(found), json={"answer": 1}, headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 422


def test_a_revision_is_appended(make, project, client):
    make.task(project)
    found = take_next(client, project)["assignment"]
    first = client.post(address(found), json={"answer": 1}).json()
    changed = client.patch(address(found), json={"answer": "both_bad", "revision": 1})
    assert (changed.status_code, changed.json()["revision"], changed.json()["answer"]) == (200, 2, "both_bad")
    assert changed.json()["id"] != first["id"]
    stale = client.patch(address(found), json={"answer": 0, "revision": 1}, headers={"Idempotency-Key": "other"})
    assert (stale.status_code, stale.json()["code"]) == (409, "revised_meanwhile")


def test_skip_heartbeat_and_return(make, project, client, db):
    make.task(project)
    make.task(project)
    found = take_next(client, project)["assignment"]
    beat = client.post(address(found, "heartbeat"))
    assert (beat.status_code, beat.json()["state"]) == (200, "open")
    assert client.post(address(found, "skip"), json={"reason": "bored"}).status_code == 422
    assert client.post(address(found, "skip"), json={"reason": "other", "note": "hm"}).json()["state"] == "skipped"
    assert client.post(address(found, "heartbeat")).status_code == 409
    found = take_next(client, project)["assignment"]
    assert client.post(address(found, "return")).json()["state"] == "returned"
    assert db.scalar(sa.text("SELECT sum(n_leased) FROM task")) == 0


def test_a_late_answer_says_so(make, project, client, db, annotators, clerk):
    make.task(project, overlap=1)
    found = take_next(client, project)["assignment"]
    db.execute(sa.update(Assignment).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.commit()
    clerk.now = datetime.now(UTC)
    clerk.submit(clerk.next(project, annotators[0]))
    assert client.post(address(found), json={"answer": 1}).json()["is_late"] is True


def test_history_pages_by_cursor(make, project, client):
    for _ in range(5):
        make.task(project)
        found = take_next(client, project)["assignment"]
        client.post(address(found), json={"answer": 2})
    seen, cursor = [], None
    while True:
        query = "limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = client.get(f"{API}/projects/{project.id}/annotations/mine?{query}").json()
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 5
    assert all(entry["can_edit"] and entry["answer"] == 2 for entry in page["items"])


def test_the_reason_why_there_is_nothing(make, project, client):
    assert take_next(client, project)["reason"] == "no_tasks"
    project.status = ProjectStatus.PAUSED
    make.commit()
    assert take_next(client, project)["reason"] == "paused"


def test_what_belongs_to_others_is_not_found(make, project, client, browse):
    make.task(project)
    found = take_next(client, project)["assignment"]
    other = browse(make.member(project))
    assert other.post(address(found), json={"answer": 1}).status_code == 404
    assert other.patch(address(found), json={"answer": 1, "revision": 1}).status_code == 404
    for deed in ("skip", "heartbeat", "return"):
        assert other.post(address(found, deed), json={"reason": "other"}).status_code == 404
    assert browse(make.user()).post(f"{API}/projects/{project.id}/next").status_code == 404
    assert client.post(f"{API}/assignments/not-an-id/annotation", json={"answer": 1}).status_code == 404


def test_who_left_the_project_has_no_more_access(make, project, client, db):
    make.task(project)
    found = take_next(client, project)["assignment"]
    db.execute(sa.text("UPDATE membership SET ended_at = now()"))
    db.commit()
    assert client.post(address(found), json={"answer": 1}).status_code == 404


def test_a_form_is_no_json(make, project, client):
    make.task(project)
    found = take_next(client, project)["assignment"]
    assert client.post(address(found), data=form(answer=1)).status_code == 422
