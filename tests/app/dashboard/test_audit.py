"""The audit trail to read: filters in the address, cursor pages, sentences, names for staff only."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import audit
from app.dashboard import deeds
from app.models import AuditEvent, Role

APP = Path(__file__).resolve().parent.parent.parent.parent / "app"


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(make, project):
    return make.member(project, Role.ADMIN)


@pytest.fixture
def client(browse, admin):
    return browse(admin)


@pytest.fixture
def record(db, project):
    """record("project.pause", actor, at=..., detail...) writes one event of the project."""

    def recording(action, actor=None, *, at=None, project_id=project.id, via="web", **detail):
        event = AuditEvent(
            actor_id=actor.id if actor else None, via=via, action=action, project_id=project_id, detail=detail
        )
        if at is not None:
            event.at = at
        db.add(event)
        db.commit()
        return event

    return recording


def sentences(page):
    """What stands in the second column, in its order."""
    found = re.findall(r'<td data-label="What">(.*?)</td>', page.text, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in found]


def test_deeds_read_as_sentences_newest_first(client, admin, project, record):
    record("project.pause", admin)
    record("guideline.publish", admin, number=3)
    assert sentences(client.get(f"/projects/{project.id}/audit")) == [
        f"{admin.name} published version 3 of the guidelines",
        f"{admin.name} paused the project",
    ]


def test_annotators_stand_under_their_pseudonym(client, make, project, record):
    annotator = make.member(project)
    record("project.pause", annotator)
    page = client.get(f"/projects/{project.id}/audit")
    assert sentences(page) == [f"{make.annotator(annotator).pseudonym} paused the project"]
    assert annotator.name not in page.text


def test_an_admin_elsewhere_is_an_annotator_here(client, make, project, record):
    person = make.member(make.project(), Role.ADMIN)
    make.member(project, Role.ANNOTATOR, person)
    record("project.pause", person)
    page = client.get(f"/projects/{project.id}/audit").text
    assert person.name not in page
    assert make.annotator(person).pseudonym in page


def test_nobody_is_the_system_or_the_command_line(client, project, record):
    record("project.pause", None, via="worker")
    record("project.pause", None, via="command")
    assert sentences(client.get(f"/projects/{project.id}/audit")) == [
        "The command line paused the project",
        "The system paused the project",
    ]


def test_an_action_nobody_knows_is_shown_as_it_is(client, project, record):
    record("thing.from_the_future", None, via="worker")
    assert sentences(client.get(f"/projects/{project.id}/audit")) == ["The system: thing.from_the_future"]


def test_what_an_older_event_does_not_say_reads_as_a_dash(client, project, record):
    record("guideline.publish", None, via="worker")
    assert sentences(client.get(f"/projects/{project.id}/audit")) == [
        "The system published version – of the guidelines"
    ]


def test_details_are_shown_as_text(client, project, record):
    record("project.change", None, after={"name": "<script>alert(1)</script>"})
    page = client.get(f"/projects/{project.id}/audit").text
    assert "<script>alert" not in page
    assert "alert(1)" in page


def test_the_trail_of_a_project_has_no_other_projects_deeds(client, make, project, record):
    record("project.archive", None, project_id=make.project().id)
    record("project.pause", None, project_id=None)
    assert "Nothing here yet" in client.get(f"/projects/{project.id}/audit").text


def test_the_trail_of_everything_names_the_projects(make, browse, project, record):
    record("project.pause", None)
    record("project.resume", None, project_id=None)
    page = browse(make.admin()).get("/audit")
    assert len(sentences(page)) == 2
    assert project.name in page.text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.REVIEWER, Role.ANNOTATOR])
def test_the_trail_of_everything_is_for_instance_admins(make, browse, project, role):
    client = browse(make.member(project, role))
    assert client.get("/audit").status_code == 403
    assert client.get("/api/v1/audit").status_code == 403


@pytest.mark.parametrize(("role", "status"), [(Role.REVIEWER, 403), (Role.ANNOTATOR, 403), (None, 404)])
def test_the_trail_of_a_project_is_for_its_admins(make, browse, project, role, status):
    client = browse(make.member(project, role) if role else make.member(make.project(), Role.ADMIN))
    assert client.get(f"/projects/{project.id}/audit").status_code == status
    assert client.get(f"/api/v1/projects/{project.id}/audit").status_code == status


def test_the_filters_narrow_and_stay_in_the_form(client, make, project, admin, record):
    other = make.member(project, Role.REVIEWER)
    record("project.pause", admin)
    record("project.resume", other)
    record("sample.fill", other)
    base = f"/projects/{project.id}/audit"
    page = client.get(f"{base}?action=project.pause")
    assert sentences(page) == [f"{admin.name} paused the project"]
    assert re.search(r'<option value="project.pause"\s+selected', page.text)
    assert len(sentences(client.get(f"{base}?action=group:project"))) == 2
    page = client.get(f"{base}?actor={other.id}&action=")
    assert len(sentences(page)) == 2
    assert re.search(rf'<option value="{other.id}"\s+selected', page.text)
    assert "No deed goes with this filter." in client.get(f"{base}?action=project.archive").text
    assert "No deed goes with this filter." in client.get(f"{base}?action=unknown.action").text


def test_an_annotator_chosen_from_the_list_stands_in_the_filter_by_pseudonym(client, make, project, record):
    annotator = make.member(project)
    record("project.pause", annotator)
    page = client.get(f"/projects/{project.id}/audit?actor={annotator.id}").text
    assert re.search(
        rf'<option value="{annotator.id}"\s+selected\s*>{make.annotator(annotator).pseudonym}</option>', page
    )


def test_days_are_those_of_the_project_and_include_the_last(client, db, project, record):
    project.timezone = "Asia/Tokyo"
    db.commit()
    record("project.pause", None, via="worker", at=datetime(2026, 5, 1, 14, 59, tzinfo=UTC))  # 1 May, 23:59 in Tokyo
    record("project.resume", None, via="worker", at=datetime(2026, 5, 1, 15, 0, tzinfo=UTC))  # 2 May, 00:00
    base = f"/projects/{project.id}/audit"
    assert sentences(client.get(f"{base}?until=2026-05-01")) == ["The system paused the project"]
    assert sentences(client.get(f"{base}?since=2026-05-02&until=2026-05-02")) == ["The system resumed the project"]


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=0001-01-01", "until=9999-12-31", "actor=me", "actor=0", "cursor=x", f"actor={'9' * 40}"],
)
def test_a_wrong_filter_is_said_not_a_fault(make, browse, project, admin, record, query, client):
    record("project.pause", None)
    page = client.get(f"/projects/{project.id}/audit?{query}")
    assert page.status_code == 422
    assert sentences(page) == []


def test_pages_follow_by_cursor_and_keep_the_filter(client, project, admin, record, monkeypatch):
    monkeypatch.setattr("app.dashboard.audit_pages.ROWS", 2)
    for number in range(3):
        record("guideline.publish", admin, number=number)
        record("project.pause", admin)
    page = client.get(f"/projects/{project.id}/audit?action=guideline.publish")
    assert len(sentences(page)) == 2
    older = re.search(r'href="([^"]*cursor=\d+[^"]*)"', page.text).group(1).replace("&amp;", "&")
    assert "action=guideline.publish" in older
    last = client.get(older)
    assert sentences(last) == [f"{admin.name} published version 0 of the guidelines"]
    assert f'href="/projects/{project.id}/audit?action=guideline.publish"' in last.text


def test_a_page_takes_a_bounded_number_of_statements(client, project, admin, record, count_statements):
    for _ in range(12):
        record("project.pause", admin)
    with count_statements() as counted:
        client.get(f"/projects/{project.id}/audit")
    assert len(counted) <= 6, counted


def test_a_published_version_is_linked(client, project, record):
    record("guideline.publish", None, number=3)
    assert f'href="/projects/{project.id}/guidelines/versions/3"' in client.get(f"/projects/{project.id}/audit").text


def test_the_api_gives_events_page_by_page(make, client, browse, project, admin, record):
    annotator = make.member(project)
    record("project.pause", annotator, at=datetime(2026, 5, 1, tzinfo=UTC))
    record("project.resume", admin, at=datetime(2026, 5, 2, tzinfo=UTC))
    base = f"/api/v1/projects/{project.id}/audit"
    first = client.get(base, params={"limit": 1}).json()
    assert [(item["action"], item["actor"]) for item in first["items"]] == [("project.resume", admin.name)]
    second = client.get(base, params={"cursor": first["next_cursor"]}).json()
    assert [(item["actor"], item["sentence"]) for item in second["items"]] == [
        (make.annotator(annotator).pseudonym, f"{make.annotator(annotator).pseudonym} paused the project")
    ]
    assert second["next_cursor"] is None
    found = client.get(base, params={"action": "project.pause", "actor": annotator.id, "until": "2026-05-02T00:00:00Z"})
    assert len(found.json()["items"]) == 1
    assert client.get(base, params={"since": "2026-05-03T00:00:00"}).json()["items"] == []
    assert len(browse(make.admin()).get("/api/v1/audit").json()["items"]) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "since=x", "cursor=-1"])
def test_the_api_refuses_what_it_cannot_use(client, project, query):
    assert client.get(f"/api/v1/projects/{project.id}/audit?{query}").status_code == 422


def test_recording_from_a_service_reaches_the_page(client, db, project, admin):
    audit.record(db, "project.pause", actor_id=admin.id, project_id=project.id, target=project)
    db.commit()
    assert sentences(client.get(f"/projects/{project.id}/audit")) == [f"{admin.name} paused the project"]


def recorded_actions():
    """Every action named where the program records a deed; a name put together at run time gives its beginning."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"audit.record", "_record", "_enter"}:
                named = [
                    part for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Constant)
                ]
                yield from (part.value for part in named if isinstance(part.value, str) and "." in part.value)


def test_every_recorded_action_has_a_sentence():
    known = set(deeds.deeds())
    found = set(recorded_actions())
    assert {"project.pause", "task.archive", "tasks."} <= found
    begun = {action for action in found if action.endswith(".")}
    assert sorted(found - begun - known) == []
    assert [action for action in begun if not any(deed.startswith(action) for deed in known)] == []


def test_every_deed_stands_in_a_group_and_names_its_actor():
    for deed in deeds.deeds().values():
        assert deed.group in deeds.groups()
        assert "%(actor)s" in deed.sentence
