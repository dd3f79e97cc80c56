"""Tasks of every kind come in by file: rankings with their votes, conversations, documents, bare prompts."""

from __future__ import annotations

import gzip
import io
import json

import pytest
import sqlalchemy as sa

from app.exchange import service
from app.exchange.schemas import ImportOptions
from app.exchange.service import ImportRefused
from app.models import Annotation, Preference, Prompt, Response, SchemaVersion, Task, TaskResponse
from app.projects.definitions import AnswerSchema, Likert, NoOverall, Ranking, content_hash
from tests.app.exchange.test_command import run_file

RANKING = AnswerSchema(overall=Ranking())
BARE = AnswerSchema(overall=NoOverall(), demonstration=True)
RATED = AnswerSchema(overall=NoOverall(), criteria=(Likert(key="helpful", name="Helpful"),))
FOUR = {"prompt": "Why?", "responses": ["One.", "Two.", "Three.", "Four."]}


@pytest.fixture
def load(db, make):
    """load(schema, *records) -> (project, counts)."""

    def loading(schema, *records, project=None, **options):
        project = project or make.project(schema=schema)
        counts = service.import_file(
            db,
            project_id=project.id,
            source=io.BytesIO("\n".join(map(json.dumps, records)).encode()),
            filename="tasks.jsonl",
            file_hash=str(hash(json.dumps(records))),
            actor_id=None,
            options=ImportOptions(**options),
        )
        db.commit()
        return project, counts

    return loading


def codes(refused):
    return [(problem.column, problem.code) for problem in refused.value.problems]


def compared(db, project):
    """Texts that each task is about, in stored order."""
    rows = db.execute(
        sa.select(Task.id, Response.text)
        .join(TaskResponse, TaskResponse.task_id == Task.id)
        .join(Response, Response.id == TaskResponse.response_id)
        .where(Task.project_id == project.id)
        .order_by(Task.id, TaskResponse.position)
    ).all()
    found = {}
    for task_id, text in rows:
        found.setdefault(task_id, []).append(text)
    return list(found.values())


def test_a_ranking_project_gets_one_task_with_all_responses(load, db):
    project, counts = load(RANKING, FOUR)
    assert (counts.tasks, counts.responses) == (1, 4)
    assert compared(db, project) == [FOUR["responses"]]


def test_a_pairwise_project_still_gets_all_pairs(load, db):
    project, counts = load(AnswerSchema(), FOUR)
    assert counts.tasks == 6
    assert all(len(texts) == 2 for texts in compared(db, project))


def test_rankings_given_elsewhere_count_and_come_once(load, db):
    vote = {"annotator": "w1", "ranking": ["b", ["response_a", "response_d"], "response_c"]}
    project, counts = load(RANKING, FOUR | {"votes": [vote]})
    assert (counts.votes, counts.annotators) == (1, 1)
    [given] = db.scalars(sa.select(Annotation)).all()
    texts = dict(db.execute(sa.select(Response.id, Response.text)).all())
    ranked = [sorted(texts[response_id] for response_id in tied) for tied in given.answer["ranking"]]
    assert ranked == [["Two."], ["Four.", "One."], ["Three."]]
    assert given.choice is None
    pairs = db.scalars(sa.select(Preference)).all()
    assert len(pairs) == 6
    assert len({row.group_id for row in pairs}) == 1
    _project, again = load(RANKING, FOUR | {"votes": [vote]}, project=project)
    assert (again.votes, again.repeated_votes) == (0, 1)
    changed = vote | {"ranking": ["a", "b", "c", "d"]}
    with pytest.raises(ImportRefused) as refused:
        load(RANKING, FOUR | {"votes": [changed]}, project=project)
    assert codes(refused) == [("votes", "vote_changed")]


def test_votes_on_what_was_imported_under_another_schema_have_no_task(load, db):
    project, _counts = load(AnswerSchema(), FOUR)
    body = RANKING.model_dump(mode="json")  # changed while the file was read: the settings page refuses it otherwise
    db.add(SchemaVersion(project_id=project.id, number=2, definition=body, content_hash=content_hash(body)))
    db.flush()
    with pytest.raises(ImportRefused) as refused:
        load(RANKING, FOUR | {"votes": [{"annotator": "w", "ranking": ["a", "b", "c", "d"]}]}, project=project)
    assert codes(refused) == [("votes", "schema_changed")]


@pytest.mark.parametrize(
    ("schema", "record", "problem"),
    [
        (RANKING, {"prompt": "Why?"}, ("response_a", "empty")),
        (RANKING, FOUR | {"gold": "response_a"}, ("gold", "gold_needs_pairs")),
        (
            RANKING,
            FOUR | {"votes": [{"annotator": "w", "choice": "a", "pair": ["a", "b"]}]},
            ("votes", "vote_needs_ranking"),
        ),
        (
            RANKING,
            FOUR | {"votes": [{"annotator": "w", "ranking": ["a", "b", "c"]}]},
            ("votes (number 1), ranking", "vote_ranking"),
        ),
        (
            RANKING,
            FOUR | {"votes": [{"annotator": "w", "ranking": ["a", "b", "c", "c", "d"]}]},
            ("votes (number 1), ranking", "vote_ranking"),
        ),
        (
            AnswerSchema(),
            FOUR | {"votes": [{"annotator": "w", "ranking": ["a", "b", "c", "d"]}]},
            ("votes", "vote_ranks_pairs"),
        ),
        (BARE, FOUR, ("responses", "responses_not_asked")),
        (RATED, FOUR | {"votes": [{"annotator": "w", "ranking": ["a", "b", "c", "d"]}]}, ("votes", "votes_not_asked")),
    ],
)
def test_what_does_not_fit_the_schema_is_refused_with_its_place(load, db, schema, record, problem):
    with pytest.raises(ImportRefused) as refused:
        load(schema, {"prompt": "Fine?", "responses": FOUR["responses"]} if schema != BARE else {"prompt": "P"}, record)
    assert codes(refused) == [problem]
    assert all(each.message for each in refused.value.problems)


def test_bare_prompts_are_tasks_without_responses(load, db):
    project, counts = load(BARE, {"prompt": "Why?"}, {"prompt": "What?", "responses": []})
    assert (counts.tasks, counts.responses) == (2, 0)
    assert compared(db, project) == []


def test_one_response_can_be_rated(load, db):
    project, counts = load(RATED, {"prompt": "Why?", "responses": ["One."]}, FOUR)
    assert sorted(map(len, compared(db, project))) == [1, 4]
    assert counts.tasks == 2


def test_a_conversation_may_end_with_a_tool_and_carry_documents(load, db):
    messages = [{"role": "user", "content": "Weather?"}, {"role": "tool", "content": "{}"}]
    documents = [{"title": "Rules", "text": "Be fair."}]
    project, _ = load(AnswerSchema(), FOUR | {"prompt": messages, "metadata": {"documents": documents}})
    [prompt] = db.scalars(sa.select(Prompt).where(Prompt.project_id == project.id)).all()
    assert prompt.content["messages"][-1] == {"role": "tool", "content": "{}"}
    assert prompt.meta["documents"] == documents


def test_a_vote_for_chosen_is_left_out_where_no_choice_of_two_is_asked(load, db):
    _project, counts = load(RANKING, {"prompt": "Why?", "chosen": "One.", "rejected": "Two."})
    assert (counts.tasks, counts.votes) == (1, 0)


@pytest.mark.real_data
def test_finegrained_qa_arrives_as_rankings(db, real_data):
    """Of 500 questions, 22 have choices that contradict each other and come without a vote."""
    code, out, _ = run_file(real_data / "finegrained_qa", create="Ranked", data_format="finegrained-qa")
    assert code == 0
    assert "500 tasks" in out
    assert "2,000 responses" in out
    assert "478 votes" in out
    with gzip.open(real_data / "finegrained_qa" / "dev_feedback_nopassages.jsonl.gz") as lines:
        published = [json.loads(line) for line in lines]
    ties = sum(one["preference"].count(0) for one in published)
    stored = db.scalar(sa.select(sa.func.count()).where(Preference.signed_strength == 0))
    assert db.scalar(sa.select(sa.func.count()).select_from(Preference)) == 478 * 6
    assert 0 < stored <= ties
