"""Guidelines in the browser: read by everybody, written by admins, nobody's text lost."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.models import GuidelineVersion, ProjectStatus, Role
from app.projects import queries, service

HTMX = {"HX-Request": "true"}


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
def base(project):
    return f"/projects/{project.id}/guidelines"


def seen_at(page):
    """The state of the draft that the page would send back."""
    return re.search(r'name="seen_at" value="([^"]*)"', page.text).group(1)


def typed(page):
    return re.search(r'<textarea[^>]*name="body"[^>]*>\n?(.*?)</textarea>', page.text, re.DOTALL).group(1)


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN])
def test_everybody_in_the_project_reads_the_version_that_holds(make, browse, project, base, role):
    make.guideline(project, number=2, body="# New rules\n\nBe **kind**.")
    make.commit()
    page = browse(make.member(project, role)).get(base)
    assert "<strong>kind</strong>" in page.text
    assert "Version 2" in page.text
    assert ("/guidelines/edit" in page.text) == (role == Role.ADMIN)


def test_an_annotator_sees_no_names_of_admins(make, browse, project, base, db, admin):
    service.save_draft(db, viewer_id=admin.id, project_id=project.id, body="two", seen_at=None)
    draft = queries.draft(db, project.id)
    service.publish_guideline(db, viewer_id=admin.id, project_id=project.id, seen_at=draft.updated_at)
    db.commit()
    assert admin.name in browse(make.member(project, Role.REVIEWER)).get(base).text
    assert admin.name not in browse(make.member(project, Role.ANNOTATOR)).get(base).text


def test_hostile_guidelines_are_shown_as_text(make, client, project, base):
    make.guideline(project, number=2, body='<script>alert(1)</script>[x](javascript:alert(1))<img src=x onerror="y">')
    make.commit()
    page = client.get(base).text
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    assert "<img" not in page


def test_without_guidelines_the_page_says_what_to_do(make, browse, db):
    project = service.create_project(
        db,
        viewer_id=make.admin().id,
        name="Empty",
        question="?",
        language="en",
        timezone="UTC",
        policy=queries.Policy(),
        schema=queries.AnswerSchema(),
    )
    db.commit()
    base = f"/projects/{project.id}/guidelines"
    assert "Write guidelines" in browse(make.member(project, Role.ADMIN)).get(base).text
    assert "have not published any" in browse(make.member(project)).get(base).text
    assert browse(make.admin()).get(f"{base}/compare").status_code == 404


def test_older_versions_stay_readable_and_say_so(make, client, project, base):
    make.guideline(project, number=2, body="second text")
    make.commit()
    page = client.get(f"{base}/versions/1").text
    assert "Be fair." in page
    assert "An older version." in page


@pytest.mark.parametrize("number", ["0", "7", "-1", "9999999999999999999999", "x"])
def test_a_version_that_is_not_there_is_not_found(client, base, number):
    assert client.get(f"{base}/versions/{number}").status_code == 404


def test_the_draft_is_no_version(client, project, base, db):
    service.save_draft(db, viewer_id=None, project_id=project.id, body="secret draft", seen_at=None)
    db.commit()
    assert "secret draft" not in client.get(base).text


def test_versions_are_compared_by_word(make, client, project, base):
    make.guideline(project, number=2, body="# Guidelines\n\nBe kind.")
    make.commit()
    page = client.get(f"{base}/compare").text
    assert re.search(r"<del[^>]*>.*Be <mark[^>]*>fair</mark>", page, re.DOTALL)
    assert re.search(r"<ins[^>]*>.*Be <mark[^>]*>kind</mark>", page, re.DOTALL)
    assert "No difference" in client.get(f"{base}/compare?old=2&new=2").text
    assert client.get(f"{base}/compare?old=1&new=9").status_code == 404


def test_the_editor_starts_from_what_is_published(client, base):
    page = client.get(f"{base}/edit")
    assert typed(page) == "# Guidelines\n\nBe fair."
    assert seen_at(page) == ""


def test_typing_saves_the_draft_and_answers_with_state_and_preview_only(client, project, base, db):
    answer = client.post(f"{base}/draft", data={"body": "Be **strict**.", "seen_at": ""}, headers=HTMX)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "<strong>strict</strong>" in answer.text
    assert 'id="draft-state"' not in answer.text
    draft = queries.draft(db, project.id)
    assert (draft.body, draft.updated_at.isoformat()) == ("Be **strict**.", seen_at(answer))


def test_the_save_button_works_without_javascript(client, project, base, db):
    page = client.post(f"{base}/draft", data={"body": "one", "seen_at": "", "change_note": "because"})
    assert "<html" in page.text
    assert 'value="because"' in page.text
    page = client.post(f"{base}/draft", data={"body": "two", "seen_at": seen_at(page)})
    assert "Draft saved" in page.text
    assert queries.draft(db, project.id).body == "two"


def test_line_ends_of_a_browser_are_stored_as_one_kind(client, project, base, db):
    client.post(f"{base}/draft", data={"body": "one\r\ntwo\rthree", "seen_at": ""})
    assert queries.draft(db, project.id).body == "one\ntwo\nthree"


def test_a_conflict_keeps_both_texts(client, project, base, db):
    first = client.post(f"{base}/draft", data={"body": "start", "seen_at": ""})
    theirs = client.post(f"{base}/draft", data={"body": "their text", "seen_at": seen_at(first)})
    mine = {"body": "my text", "seen_at": seen_at(first), "change_note": "my note"}
    refused = client.post(f"{base}/draft", data=mine)
    assert refused.status_code == 409
    assert typed(refused) == "my text"
    assert 'value="my note"' in refused.text
    assert "their text" in refused.text
    assert seen_at(refused) == seen_at(first)
    assert queries.draft(db, project.id).body == "their text"
    kept = re.search(r'name="overwrite_at"\s*value="([^"]*)"', refused.text).group(1)
    assert kept == seen_at(theirs)
    assert client.post(f"{base}/draft", data={**mine, "overwrite_at": kept}).status_code == 200
    assert queries.draft(db, project.id).body == "my text"


def test_a_conflict_while_typing_answers_with_the_block_only(client, base):
    client.post(f"{base}/draft", data={"body": "theirs", "seen_at": ""})
    refused = client.post(f"{base}/draft", data={"body": "mine", "seen_at": ""}, headers=HTMX)
    assert refused.status_code == 409
    assert "<html" not in refused.text
    assert "theirs" in refused.text


def test_a_draft_that_was_published_meanwhile_can_be_started_again(client, project, base, db):
    page = client.post(f"{base}/draft", data={"body": "one", "seen_at": ""})
    client.post(f"{base}/publish", data={"body": "one", "seen_at": seen_at(page)})
    refused = client.post(f"{base}/draft", data={"body": "two", "seen_at": seen_at(page)})
    assert refused.status_code == 409
    assert "published or thrown away" in refused.text
    kept = re.search(r'name="overwrite_at"\s*value="([^"]*)"', refused.text).group(1)
    client.post(f"{base}/draft", data={"body": "two", "seen_at": seen_at(page), "overwrite_at": kept})
    assert queries.draft(db, project.id).body == "two"


def test_publishing_takes_what_stands_in_the_editor(client, project, base, db):
    data = {"body": "# Rules", "seen_at": "", "change_note": "  Shorter  "}
    assert client.post(f"{base}/publish", data=data).headers["location"] == base
    version = queries.current_guideline(db, project.id)
    assert (version.number, version.body, version.change_note) == (2, "# Rules", "Shorter")
    assert "Shorter" in client.get(base).text


def test_publishing_over_a_changed_draft_is_refused_with_both_texts(client, project, base, db):
    client.post(f"{base}/draft", data={"body": "theirs", "seen_at": ""})
    refused = client.post(f"{base}/publish", data={"body": "mine", "seen_at": ""})
    assert refused.status_code == 409
    assert (typed(refused), "theirs" in refused.text) == ("mine", True)
    assert queries.current_guideline(db, project.id).number == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("   ", "cannot be empty"),
        ("# Guidelines\n\nBe fair.", "the same as version 1"),
        ("x" * 200_001, "at most 200000 characters"),
        ("a\x00b", "cannot be stored"),
    ],
)
def test_what_cannot_be_published_is_said_and_kept(client, project, base, db, body, sentence):
    refused = client.post(f"{base}/publish", data={"body": body, "seen_at": ""})
    assert refused.status_code == 422
    assert sentence in refused.text
    assert queries.current_guideline(db, project.id).number == 1


@pytest.mark.parametrize("sent", ["yesterday", "2026-01-01T00:00:00+00:00"])
def test_a_state_that_never_was_is_a_conflict_not_a_fault(client, base, sent):
    client.post(f"{base}/draft", data={"body": "theirs", "seen_at": ""})
    assert client.post(f"{base}/draft", data={"body": "mine", "seen_at": sent}).status_code == 409


def test_throwing_a_draft_away_asks_first(client, project, base, db):
    client.post(f"{base}/draft", data={"body": "one", "seen_at": ""})
    assert client.post(f"{base}/discard").status_code == 409
    assert queries.draft(db, project.id) is not None
    assert client.post(f"{base}/discard", data={"confirm": "true"}).status_code == 303
    assert queries.draft(db, project.id) is None


@pytest.mark.parametrize("path", ["edit", "draft", "publish", "discard"])
def test_only_admins_of_this_project_write(make, browse, project, base, path):
    method = "GET" if path == "edit" else "POST"
    for role in (Role.REVIEWER, Role.ANNOTATOR):
        assert browse(make.member(project, role)).request(method, f"{base}/{path}").status_code == 403
    assert browse(make.member(make.project(), Role.ADMIN)).request(method, f"{base}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["", "/versions/1", "/compare"])
def test_guidelines_of_another_project_are_not_found(make, browse, base, path):
    assert browse(make.member(make.project(), Role.ADMIN)).get(base + path).status_code == 404


def test_an_archived_project_keeps_its_guidelines_as_they_are(client, project, base, db):
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    assert "/guidelines/edit" not in client.get(base).text
    assert client.get(f"{base}/edit").status_code == 409
    for path in ("draft", "publish"):
        assert client.post(f"{base}/{path}", data={"body": "x", "seen_at": ""}).status_code == 409
    assert db.scalar(sa.select(sa.func.count()).where(GuidelineVersion.project_id == project.id)) == 1
