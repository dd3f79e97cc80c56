"""Guidelines by clause, questions about them and their answers, and confirming a major version."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.models import AuditEvent, GuidelineQuestion, Message, Role
from app.projects import queries, questions, service
from app.projects.questions import MOST_OPEN
from tests.app.dashboard.judgements import judge

HTMX = {"HX-Request": "true"}
BODY = "Read all.\n\n# Facts\n\nFacts come first.\n\n# Tone\n\nBe kind & brief."


@pytest.fixture
def project(make):
    project = make.project()
    make.guideline(project, number=2, body=BODY)
    make.task(project)
    make.commit()
    return project


@pytest.fixture
def base(project):
    return f"/projects/{project.id}/guidelines"


@pytest.fixture
def annotator(make, project):
    return make.member(project)


@pytest.fixture
def reviewer(make, project):
    return make.member(project, Role.REVIEWER)


@pytest.fixture
def asked(db, project, annotator):
    """A question of the annotator about the clause on tone."""
    found = questions.ask(
        db, viewer_id=annotator.id, project=project, anchor="clause-tone", text="Is a <b>joke</b> ok?"
    )
    db.commit()
    return found


def answer(db, project, reviewer, asked, text="A *small* one.", *, is_shared=False, is_example=False):
    questions.answer(
        db,
        viewer_id=reviewer.id,
        project=project,
        question_id=asked.id,
        text=text,
        is_shared=is_shared,
        is_example=is_example,
    )
    db.commit()


def test_the_guidelines_have_contents_whose_links_lead_to_clauses(browse, annotator, base):
    page = browse(annotator).get(base).text
    for anchor, title in (("clause-facts", "Facts"), ("clause-tone", "Tone")):
        assert f'<a href="#{anchor}" dir="auto">{title}</a>' in page
        assert f'id="{anchor}"' in page


def test_a_search_leaves_the_clauses_with_the_words(browse, annotator, base):
    client = browse(annotator)
    page = client.get(f"{base}?q=KIND").text
    assert "<mark>kind</mark> &amp; brief" in page
    assert "Facts come first" not in page
    part = client.get(f"{base}/versions/2?q=nothing+like+it", headers=HTMX).text
    assert "<html" not in part
    assert "No clause has all of these words" in part
    assert client.get(f"{base}?q=%22%3E%3Cscript%3E").text.count("<script>") == 0


def test_a_question_is_answered_and_becomes_an_example_at_its_clause(browse, db, project, annotator, reviewer, base):
    client = browse(annotator)
    sent = client.post(f"{base}/questions", data={"anchor": "clause-tone", "text": "Is a <b>joke</b> ok?"})
    assert sent.headers["location"] == f"{base}/questions?said=asked"
    [asked] = db.scalars(sa.select(GuidelineQuestion))
    assert (asked.clause, asked.asked_by_id, asked.is_shared) == ("Tone", annotator.id, False)
    queue = browse(reviewer).get(f"{base}/questions").text
    assert "Is a &lt;b&gt;joke&lt;/b&gt; ok?" in queue
    browse(reviewer).post(
        f"{base}/questions/{asked.id}/answer",
        data={"answer": "A *small* one. <script>x</script>", "is_example": "true"},
    )
    page = client.get(base).text
    assert "<em>small</em>" in page[page.index('id="clause-tone"') :]
    assert "<script>x" not in page
    assert "<em>small</em>" in client.get(f"/projects/{project.id}/judge").text
    assert "<mark>" not in client.get(f"{base}?q=joke").text
    assert "clause-tone" in client.get(f"{base}?q=joke").text
    actions = set(db.scalars(sa.select(AuditEvent.action).where(AuditEvent.project_id == project.id)))
    assert {"guideline.ask", "guideline.answer"} <= actions


def test_the_asker_is_told_once_and_in_their_inbox(db, project, annotator, reviewer, asked):
    answer(db, project, reviewer, asked)
    answer(db, project, reviewer, asked, "On reflection, no.")
    [message] = db.scalars(sa.select(Message).where(Message.user_id == annotator.id))
    assert "A *small* one." in message.body


def test_questions_are_their_askers_until_they_are_shared(browse, make, db, project, annotator, reviewer, base, asked):
    other = browse(make.member(project))
    answer(db, project, reviewer, asked)
    assert "joke" not in other.get(f"{base}/questions").text
    assert other.get(f"/api/v1{base}/questions").json()["items"] == []
    assert "joke" in browse(annotator).get(f"{base}/questions").text
    answer(db, project, reviewer, asked, is_shared=True)
    page = other.get(f"{base}/questions").text
    assert "joke" in page
    for name in (make.annotator(annotator).pseudonym, annotator.name, reviewer.name):
        assert name not in page
    assert other.get(f"/api/v1{base}/questions").json()["items"][0]["asker"] is None
    assert "joke" not in other.get(base).text  # shared is not yet an example


def test_open_questions_are_counted_for_reviewers_only(browse, annotator, reviewer, base, asked):
    count = '<span class="tab-count numeric">1</span>'
    assert count in browse(reviewer).get(base).text
    assert count not in browse(annotator).get(base).text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"anchor": "clause-gone", "text": "?"}, 422),
        ({"anchor": "", "text": "  "}, 422),
        ({"anchor": "", "text": "x" * 2001}, 422),
        ({"anchor": "", "text": "About all of it"}, 303),
    ],
)
def test_what_cannot_be_asked_is_said_and_kept(browse, db, annotator, base, fields, status):
    page = browse(annotator).post(f"{base}/questions", data=fields)
    assert page.status_code == status
    assert len(db.scalars(sa.select(GuidelineQuestion)).all()) == (1 if status == 303 else 0)


def test_beside_the_desk_the_form_comes_back_empty_with_a_word(browse, annotator, base):
    part = browse(annotator).post(f"{base}/questions", data={"anchor": "", "text": "Why so?"}, headers=HTMX).text
    assert "<html" not in part
    assert "Your question was sent" in part
    assert "Why so?" not in part


def test_one_person_cannot_fill_the_queue(browse, db, project, annotator, base):
    for n in range(MOST_OPEN):
        questions.ask(db, viewer_id=annotator.id, project=project, anchor="", text=f"Question {n}")
    db.commit()
    assert browse(annotator).post(f"{base}/questions", data={"text": "One more"}).status_code == 409


def test_answering_needs_a_reviewer_and_a_question_of_the_project(browse, make, annotator, reviewer, base, asked):
    path = f"{base}/questions/{asked.id}/answer"
    assert browse(annotator).post(path, data={"answer": "x"}).status_code == 403
    assert browse(reviewer).post(path, data={"answer": " "}).status_code == 422
    other = make.project()
    stranger = browse(make.member(other, Role.ADMIN))
    assert stranger.post(path, data={"answer": "x"}).status_code == 404
    moved = f"/projects/{other.id}/guidelines/questions/{asked.id}/answer"
    assert stranger.post(moved, data={"answer": "x"}).status_code == 404


def test_the_api_asks_and_answers_too(browse, project, annotator, reviewer, base):
    made = browse(annotator).post(f"/api/v1{base}/questions", json={"anchor": "clause-facts", "text": "All of them?"})
    assert (made.status_code, made.json()["clause"], made.json()["guideline_version"]) == (201, "Facts", 2)
    path = f"/api/v1{base}/questions/{made.json()['id']}/answer"
    done = browse(reviewer).put(path, json={"answer": "Yes.", "is_example": True}).json()
    assert (done["is_shared"], done["is_example"], done["answer"]) == (True, True, "Yes.")
    assert browse(reviewer).get(f"/api/v1{base}/questions?is_open=true").json()["items"] == []
    assert len(browse(annotator).get(f"/api/v1{base}/questions?is_open=false").json()["items"]) == 1


def publish(db, project, admin, body, *, is_major):
    draft = service.save_draft(db, viewer_id=admin.id, project_id=project.id, body=body, seen_at=None)
    made = service.publish_guideline(
        db, viewer_id=admin.id, project_id=project.id, seen_at=draft.updated_at, is_major=is_major
    )
    db.commit()
    return made


def judged_before(make, project, user):
    """The person has judged under the version that holds."""
    task = make.task(project)
    judge(make, task, make.annotator(user), guideline_version_id=queries.current_guideline(make.session, project.id).id)


def test_a_major_version_is_confirmed_before_the_next_task(browse, make, db, project, annotator, base):
    admin = make.member(project, Role.ADMIN)
    judged_before(make, project, annotator)
    make.task(project)
    client, desk = browse(annotator), f"/projects/{project.id}/judge"
    publish(db, project, admin, BODY + "\n\nNo jokes.", is_major=False)
    assert client.get(desk).status_code == 200
    publish(db, project, admin, BODY + "\n\nNo jokes at all.", is_major=True)
    assert client.get(desk).headers["location"] == f"{base}/changes"
    assert client.get(f"/api/v1{base}/changes").json() == {"since": 2, "newest": 4}
    page = client.get(f"{base}/changes").text
    assert re.search(r"<ins[^>]*>.*No jokes at all.", page, re.DOTALL)
    assert client.post(f"{base}/versions/4/read").headers["location"] == desk
    client.put(f"/api/v1{base}/4/read")
    assert client.get(desk).status_code == 200
    assert client.get(f"{base}/changes").headers["location"] == base
    assert db.scalar(sa.select(sa.func.count()).where(AuditEvent.action == "guideline.read")) == 1


def test_newcomers_and_the_publisher_have_nothing_to_confirm(browse, make, db, project, annotator):
    admin = make.member(project, Role.ADMIN)
    judged_before(make, project, admin)
    make.task(project)
    publish(db, project, admin, "# New", is_major=True)
    for person in (annotator, admin):
        assert browse(person).get(f"/projects/{project.id}/judge").status_code == 200
