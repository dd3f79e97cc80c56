"""The desk's pages and JSON API for each kind of judgement: what is shown, taken, refused and shown again."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app.models import Annotation, AuditEvent, Prompt, Role
from app.projects import queries
from app.projects.definitions import AnswerSchema, Comparison, Likert, NoOverall, Policy, Ranking, Tags
from tests.app.annotation.test_api import address, take_next
from tests.app.annotation.test_pages import desk_of, hidden, public_id
from tests.support.browsing import form

HTMX = {"HX-Request": "true"}
PLAIN = Policy(overlap=3, gold_rate=0.0)
FOUR = ("One.", "Two.", "Three.", "Four.")
EVERYTHING = AnswerSchema(
    overall=Ranking(),
    criteria=(Likert(key="helpful", name="Helpful?", low="not", high="very"), Comparison(key="safer", name="Safer?")),
    tags=Tags(names=("rude", "wrong")),
    edit="optional",
    rationale="optional",
)
ALL = {
    **{f"rank.{letter}": place for letter, place in zip("ABCD", "2113", strict=True)},
    **{f"rating.helpful.{letter}": "4" for letter in "ABCD"},
    "comparison.safer": "C",
    "tag.B.1": "wrong",
    "edit_source": "C",
    "edit_text": "Mine <b>is</b> better.",
    "rationale": "Clear.",
}


@pytest.fixture
def desk(make, browse):
    """desk(schema, responses, n) -> (client of an annotator, project) with n tasks."""

    def opening(schema, responses=FOUR, n=1, role=Role.ANNOTATOR):
        project = make.project(policy=PLAIN, schema=schema)
        for _ in range(n):
            make.task(project, responses=responses, n_compared=len(responses))
        return browse(make.member(project, role)), project

    return opening


def send(client, project, fields, **how):
    page = client.get(desk_of(project)).text
    address_of = f"{desk_of(project)}/{public_id(page)}"
    return client.post(address_of, data={**hidden(page), **form(**fields)}, **how)


def test_everything_at_once_is_taken_and_shown_again_for_a_change(desk, db):
    client, project = desk(EVERYTHING)
    assert send(client, project, ALL).status_code == 303
    [given] = db.scalars(sa.select(Annotation)).all()
    assert given.answer.keys() == {"ranking", "ratings", "comparisons", "response_tags", "edit"}
    page = client.get(f"{desk_of(project)}/last", follow_redirects=True).text
    for letter, place in zip("ABCD", "2113", strict=True):
        listed = page[page.index(f'name="rank.{letter}"') :].split("</select>")[0]
        assert re.findall(r'value="(\d)" selected', listed) == [place]
        assert re.search(rf'name="rating.helpful.{letter}"\s+value="4"[^>]*checked', page)
    assert re.search(r'name="comparison.safer"\s+value="C"[^>]*checked', page)
    assert re.search(r'name="tag.B.1"\s+value="wrong"\s+checked', page)
    assert "Mine &lt;b&gt;is&lt;/b&gt; better." in page
    assert "B = C &gt; A &gt; D" in client.get(f"{desk_of(project)}/history").text


@pytest.mark.parametrize("headers", [None, HTMX])
def test_a_refused_form_comes_back_with_everything_in_it(desk, db, headers):
    client, project = desk(EVERYTHING)
    answer = send(client, project, ALL | {"rank.D": ""}, headers=headers)
    assert answer.status_code == 422
    assert "Give each response a place: D has none yet." in answer.text
    assert re.search(r'name="rating.helpful.A"\s+value="4"[^>]*checked', answer.text)
    assert "Mine &lt;b&gt;is&lt;/b&gt; better." in answer.text
    assert re.search(r'value="wrong"\s+checked', answer.text)
    assert db.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"rank.A": "x"},
        {"rating.helpful.A": "99"},
        {"rating.helpful.A": "four"},
        {"rating.helpful.Z": "4"},
        {"rating.unknown.A": "4"},
        {"comparison.safer": "Z"},
        {"tag.A.0": "made up"},
        {"edit_source": "Z"},
        {"edit_text": "x" * 50_001},
        {"choice": "a3"},
    ],
)
def test_a_form_that_no_page_sends_ends_in_a_sentence(desk, db, broken):
    client, project = desk(EVERYTHING)
    answer = send(client, project, ALL | broken)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text or "callout" in answer.text
    assert db.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 0


def test_submit_and_next_take_no_more_statements_for_a_ranking_of_nine(desk, count_statements):
    nine = tuple(f"Response {n}." for n in range(9))
    client, project = desk(AnswerSchema(overall=Ranking()), nine, n=3)
    page = client.get(desk_of(project)).text
    fields = form(**{f"rank.{letter}": str(place) for place, letter in enumerate("ABCDEFGHI", 1)})
    for _ in range(2):
        with count_statements() as counted:
            answer = client.post(f"{desk_of(project)}/{public_id(page)}", data={**hidden(page), **fields}, headers=HTMX)
        page = answer.text
        assert answer.status_code == 200
        assert len(counted) <= 13, "\n".join(counted)


def test_a_bare_prompt_shows_a_field_and_takes_the_answer(desk, db):
    client, project = desk(AnswerSchema(overall=NoOverall(), demonstration=True), ())
    page = client.get(desk_of(project)).text
    assert 'name="demonstration"' in page
    assert 'name="choice"' not in page
    assert send(client, project, {"demonstration": " "}).status_code == 422
    assert send(client, project, {"demonstration": "Because.\r\nReally."}).status_code == 303
    assert db.scalar(sa.select(Annotation.answer)) == {"demonstration": "Because.\nReally."}


def test_documents_of_the_metadata_stand_beside_the_answers_and_nothing_else_of_it(desk, db):
    client, project = desk(AnswerSchema(), ("One.", "Two."))
    [prompt] = db.scalars(sa.select(Prompt)).all()
    prompt.meta = {"documents": ["Plain *words*.", {"title": "Rules", "text": "<script>"}, 7, {}], "secret": "S3CRET"}
    db.commit()
    page = client.get(desk_of(project)).text
    assert "<em>words</em>" in page
    assert "Rules" in page
    assert "&lt;script&gt;" in page
    assert "S3CRET" not in page
    found = take_next(client, project)["assignment"]
    assert found["documents"] == [{"title": "", "text": "Plain *words*."}, {"title": "Rules", "text": "<script>"}]


def test_the_raw_texts_are_in_the_page_only_where_edits_are_asked(desk):
    client, project = desk(AnswerSchema(), ("One </template> *raw*.", "Two."))
    assert "data-source" not in client.get(desk_of(project)).text
    client, project = desk(AnswerSchema(edit="optional"), ("One </template> *raw*.", "Two."))
    assert "One &lt;/template&gt; *raw*." in client.get(desk_of(project)).text


def test_the_api_takes_each_kind_and_gives_it_back_by_letters(desk, db):
    client, project = desk(EVERYTHING)
    found = take_next(client, project)["assignment"]
    assert len(found["responses"]) == 4
    assert found["answer_schema"] == EVERYTHING.model_dump(mode="json")
    said = {
        "answer": None,
        "ranking": [["C"], ["A", "B"], ["D"]],
        "ratings": {"helpful": {"A": 1, "B": 2, "C": 3, "D": 4}},
        "comparisons": {"safer": "tie"},
        "tags": [],
        "response_tags": {"D": ["rude"]},
        "edit": {"source": "D", "text": "Kinder."},
        "demonstration": None,
    }
    taken = client.post(address(found), json=said).json()
    assert {name: taken[name] for name in said} == said
    [entry] = client.get(f"/api/v1/projects/{project.id}/annotations/mine").json()["items"]
    assert {name: entry[name] for name in said} == said
    refused = client.patch(address(found), json={"revision": 1, "ranking": [["A"]]})
    assert (refused.status_code, refused.json()["field"]) == (422, "ranking")


def test_reviewers_read_a_vote_of_every_kind(desk, db, make, browse):
    client, project = desk(EVERYTHING)
    send(client, project, ALL)
    task_id = db.scalar(sa.select(Annotation.task_id))
    page = browse(make.member(project, Role.REVIEWER)).get(f"/projects/{project.id}/tasks/{task_id}")
    assert page.status_code == 200
    assert "helpful:" in page.text
    assert "Mine &lt;b&gt;is&lt;/b&gt; better." in page.text


SCHEMA_FORM = {
    "overall": "ranking",
    "allows_tie": "true",
    "strength_steps": "3",
    "rationale": "required",
    "edit": "off",
    "tags": "rude\r\n\r\n wrong ",
    "tags_per": "task",
    "criterion.0.name": "Wie hilfreich?",
    "criterion.0.kind": "likert",
    "criterion.0.points": "7",
    "criterion.0.high": "sehr",
    "criterion.0.is_required": "true",
    "criterion.1.name": "",
    "criterion.2.name": "Safer?",
    "criterion.2.kind": "preference",
    "criterion.2.key": "safe",
    "criterion.2.points": "5",
}


def test_the_schema_page_saves_a_version_with_an_audit_line(desk, db):
    client, project = desk(AnswerSchema(), ("One.", "Two."), role=Role.ADMIN)
    base = f"/projects/{project.id}/schema"
    assert "As annotators see it now." in client.get(base).text
    assert client.post(base, data=form(**SCHEMA_FORM)).status_code == 303
    wanted = AnswerSchema(
        overall=Ranking(),
        criteria=(
            Likert(key="wie_hilfreich", name="Wie hilfreich?", points=7, high="sehr"),
            Comparison(key="safe", name="Safer?", is_required=False),
        ),
        rationale="required",
        tags=Tags(names=("rude", "wrong"), per="task"),
    )
    assert queries.current_schema(db, project.id)[1] == wanted
    assert client.post(base, data=form(**SCHEMA_FORM)).status_code == 303
    assert len(queries.schema_versions(db, project.id)) == 2
    events = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "schema.change")).all()
    assert [event.detail["number"] for event in events] == [2]
    assert "Wie hilfreich?" in client.get(base).text


def test_a_preview_saves_nothing_and_keeps_what_was_typed(desk, db):
    client, project = desk(AnswerSchema(), ("One.", "Two."), role=Role.ADMIN)
    page = client.post(f"/projects/{project.id}/schema/preview", data=form(**SCHEMA_FORM))
    assert page.status_code == 200
    assert "nothing is saved yet" in page.text
    assert 'name="rank.D"' in page.text
    assert 'value="Wie hilfreich?"' in page.text
    assert len(queries.schema_versions(db, project.id)) == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"strength_steps": "9"}, "Please give a number up to 4."),
        ({"criterion.0.points": "99"}, "Please give a number up to 7."),
        ({"criterion.0.key": "overall"}, "have a meaning of their own"),
        ({"criterion.0.key": "safe"}, "Two criteria have the same key."),
        ({"tags": "rude\nrude"}, "A tag is listed twice."),
        ({"overall": "none", "criterion.0.name": "", "criterion.2.name": ""}, "Nothing is asked for"),
    ],
)
def test_a_schema_that_cannot_be_is_refused_and_kept(desk, db, typed, sentence):
    client, project = desk(AnswerSchema(), ("One.", "Two."), role=Role.ADMIN)
    answer = client.post(f"/projects/{project.id}/schema", data=form(**SCHEMA_FORM | typed))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="sehr"' in answer.text or not (SCHEMA_FORM | typed)["criterion.0.name"]
    assert len(queries.schema_versions(db, project.id)) == 1
