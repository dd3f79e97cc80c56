"""The JSON API of projects: the same deeds as the pages, typed, with problem+json refusals."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.models import Project, ProjectStatus, Role
from app.projects import queries
from app.projects.definitions import AnswerSchema, Pairwise, Policy

NEW = {
    "name": "Helpfulness",
    "question": "Which helps more?",
    "language": "pt-BR",
    "timezone": "America/Sao_Paulo",
    "policy": {"overlap": 2},
    "answer_schema": {"overall": {"kind": "pairwise", "allows_tie": False}},
    "guidelines": "# Be fair",
}


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def client(make, browse, project):
    return browse(make.member(project, Role.ADMIN))


@pytest.fixture
def base(project):
    return f"/api/v1/projects/{project.id}"


def test_a_project_is_made_with_all_it_needs(make, browse, db):
    answer = browse(make.admin()).post("/api/v1/projects", json=NEW)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["language"], body["status"]) == ("Helpfulness", "pt-BR", "active")
    assert queries.current_policy(db, body["id"])[1] == Policy(overlap=2)
    assert queries.current_schema(db, body["id"])[1] == AnswerSchema(overall=Pairwise(allows_tie=False))
    assert queries.current_guideline(db, body["id"]).body == "# Be fair"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"language": "xx-nowhere"},
        {"timezone": "Nowhere"},
        {"policy": {"overlap": 0}},
        {"policy": {"unknown": 1}},
        {"answer_schema": {"overall": {"kind": "pairwise", "strength_steps": 9}}},
        {"answer_schema": {"overall": {"kind": "none"}}},
    ],
    ids=str,
)
def test_what_cannot_be_used_is_a_problem_not_a_fault(make, browse, db, wrong):
    client = browse(make.admin())
    import json

    answer = client.post(
        "/api/v1/projects", content=json.dumps({**NEW, **wrong}), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert db.scalar(sa.select(sa.func.count()).where(Project.name == NEW["name"])) == 0


def test_the_list_gives_the_callers_projects_page_by_page(make, browse, monkeypatch):
    user = make.user()
    projects = [make.project() for _ in range(3)]
    for project in projects:
        make.member(project, Role.REVIEWER, user)
    make.project()
    monkeypatch.setattr("app.projects.api.PAGE", 2)
    client = browse(user)
    first = client.get("/api/v1/projects").json()
    assert [(item["id"], item["role"]) for item in first["items"]] == [
        (projects[2].id, "reviewer"),
        (projects[1].id, "reviewer"),
    ]
    second = client.get("/api/v1/projects", params={"cursor": first["next_cursor"]}).json()
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == ([projects[0].id], None)


def test_the_list_filters_archived_ones(make, browse, db):
    user = make.user()
    project = make.project(status=ProjectStatus.ARCHIVED)
    make.member(project, user=user)
    client = browse(user)
    assert client.get("/api/v1/projects?archived=false").json()["items"] == []
    assert [item["id"] for item in client.get("/api/v1/projects?archived=true").json()["items"]] == [project.id]


@pytest.mark.parametrize("cursor", ["x", "-1", "²", "9" * 20])
def test_a_foreign_cursor_is_refused(make, browse, cursor):
    assert browse(make.user()).get("/api/v1/projects", params={"cursor": cursor}).status_code == 422


def test_a_project_is_read_with_the_callers_role(make, browse, project, base):
    assert browse(make.member(project)).get(base).json()["role"] == "annotator"
    assert browse(make.admin()).get(base).json()["role"] == "admin"
    refused = browse(make.user()).get(base)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_details_are_replaced(client, base):
    answer = client.put(base, json={"name": "New", "question": "Q?", "language": "de", "timezone": "UTC"})
    assert answer.status_code == 200
    assert client.get(base).json()["name"] == "New"


def test_policy_and_schema_are_read_and_appended(client, base):
    assert client.get(f"{base}/policy").json()["number"] == 1
    answer = client.put(f"{base}/policy", json={"overlap": 4}).json()
    assert (answer["number"], answer["policy"]["overlap"]) == (2, 4)
    answer = client.put(f"{base}/schema", json={"overall": {"kind": "pairwise", "allows_tie": False}}).json()
    assert (answer["number"], answer["answer_schema"]["overall"]["allows_tie"]) == (2, False)
    assert client.get(f"{base}/schema").json() == answer


def test_pause_resume_archive_restore(client, base):
    for verb, status in (
        ("pause", "paused"),
        ("resume", "active"),
        ("archive", "archived"),
        ("restore", "paused"),
    ):
        assert client.post(f"{base}/{verb}").json()["status"] == status


def test_an_archived_project_answers_409(client, base):
    client.post(f"{base}/archive")
    for method, path, body in (
        ("PUT", "", {"name": "New"}),
        ("PUT", "/policy", {"overlap": 4}),
        ("PUT", "/schema", {"overall": {"kind": "pairwise", "allows_tie": False}}),
        ("PUT", "/guidelines/draft", {"body": "x"}),
        ("POST", "/pause", None),
    ):
        answer = client.request(method, base + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "project_archived")


def test_guidelines_from_draft_to_version(client, base):
    assert client.get(f"{base}/guidelines/draft").json() == {
        "body": "# Guidelines\n\nBe fair.",
        "updated_at": None,
        "based_on": 1,
    }
    draft = client.put(f"{base}/guidelines/draft", json={"body": "Be **kind**."}).json()
    sent = {"updated_at": draft["updated_at"], "change_note": "Kinder"}
    published = client.post(f"{base}/guidelines/publish", json=sent)
    assert published.status_code == 201
    assert (published.json()["number"], "<strong>kind</strong>" in published.json()["html"]) == (2, True)
    listed = client.get(f"{base}/guidelines").json()["items"]
    assert [(item["number"], item["change_note"]) for item in listed] == [(2, "Kinder"), (1, "")]
    assert client.get(f"{base}/guidelines/1").json()["body"] == "# Guidelines\n\nBe fair."
    assert client.get(f"{base}/guidelines/3").status_code == 404


def test_a_draft_that_changed_meanwhile_answers_409(client, base):
    first = client.put(f"{base}/guidelines/draft", json={"body": "one"}).json()
    client.put(f"{base}/guidelines/draft", json={"body": "two", "updated_at": first["updated_at"]})
    late = client.put(f"{base}/guidelines/draft", json={"body": "three", "updated_at": first["updated_at"]})
    assert (late.status_code, late.json()["code"]) == (409, "draft_conflict")
    late = client.post(f"{base}/guidelines/publish", json={"updated_at": first["updated_at"]})
    assert late.status_code == 409
    assert client.get(f"{base}/guidelines/draft").json()["body"] == "two"


def test_a_draft_is_discarded(client, base):
    client.put(f"{base}/guidelines/draft", json={"body": "one"})
    assert client.delete(f"{base}/guidelines/draft").status_code == 204
    assert client.get(f"{base}/guidelines/draft").json()["updated_at"] is None


def test_a_preview_saves_nothing(client, base):
    answer = client.post(f"{base}/guidelines/preview", json={"body": "<b>x</b> **y**"}).json()
    assert "<strong>y</strong>" in answer["html"]
    assert "<b>" not in answer["html"]
    assert client.get(f"{base}/guidelines/draft").json()["updated_at"] is None


def test_a_stranger_with_a_bad_body_learns_nothing(make, browse, base):
    stranger = browse(make.user())
    assert stranger.put(f"{base}/policy", json={"overlap": "x"}).status_code == 404
    assert browse(make.admin()).put(f"{base}/policy", json={"overlap": "x"}).status_code == 422
