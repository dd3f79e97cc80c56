"""Rankings, criteria, tags, edits and demonstrations through the services: what is stored, and what follows from it."""

from __future__ import annotations

from itertools import combinations
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from app.annotation import answers
from app.annotation.schemas import LETTERS, Judgement, from_fields
from app.annotation.views import to_fields
from app.errors import Conflict, Invalid
from app.models import Annotation, Preference, Response, TaskResponse
from app.projects import queries, service
from app.projects.definitions import AnswerSchema, Comparison, Likert, NoOverall, Pairwise, Policy, Ranking, Tags

PLAIN = Policy(overlap=3, gold_rate=0.0)
HELPFUL = Likert(key="helpful", name="Helpful", points=5, low="not at all", high="very")
SAFER = Comparison(key="safer", name="Which is safer?")
FOUR = ("One.", "Two.", "Three.", "Four.")


@pytest.fixture
def desk(make, clerk):
    """desk(schema, responses) -> (assignment, letters by response id)."""

    def opening(schema, responses=FOUR, **values):
        project = make.project(policy=PLAIN, schema=schema)
        make.task(project, responses=responses, n_compared=len(responses), **values)
        assignment = clerk.next(project, make.annotator(make.member(project)))
        return assignment, dict(zip(clerk.row(assignment).shown_ids, LETTERS, strict=False))

    return opening


def preferences(db, annotation):
    rows = db.scalars(sa.select(Preference).where(Preference.annotation_id == annotation.id).order_by(Preference.id))
    return list(rows)


def test_a_ranking_is_one_answer_and_all_its_pairs_with_one_group(desk, clerk, db):
    assignment, letters = desk(AnswerSchema(overall=Ranking()))
    taken = clerk.submit(assignment, None, ranking=[["B"], ["A", "D"], ["C"]]).annotation
    ids = {letter: response_id for response_id, letter in letters.items()}
    assert taken.choice is None
    assert taken.answer == {"ranking": [[ids["B"]], sorted([ids["A"], ids["D"]]), [ids["C"]]]}
    assert sorted(taken.shown_order) == [0, 1, 2, 3]
    assert taken.is_swapped is None
    found = preferences(db, taken)
    assert len(found) == 6
    assert len({row.group_id for row in found}) == 1
    assert found[0].group_id is not None
    assert {(row.criterion, row.strength_steps) for row in found} == {("overall", 1)}
    place = {ids["B"]: 0, ids["A"]: 1, ids["D"]: 1, ids["C"]: 2}
    for row in found:
        below = place[row.high_response_id] - place[row.low_response_id]
        assert row.signed_strength == (below > 0) - (below < 0)


def test_what_was_shown_where_is_stored(desk, clerk, db):
    assignment, letters = desk(AnswerSchema(overall=Ranking()))
    taken = clerk.submit(assignment, None, ranking=[["A"], ["B"], ["C"], ["D"]]).annotation
    stored = db.scalars(
        sa.select(TaskResponse.response_id).where(TaskResponse.task_id == taken.task_id).order_by(TaskResponse.position)
    ).all()
    assert [stored[position] for position in taken.shown_order] == list(letters)


@pytest.mark.parametrize(
    ("schema", "said", "field"),
    [
        (AnswerSchema(overall=Ranking()), {}, "ranking"),
        (AnswerSchema(overall=Ranking()), {"ranking": [["A"], ["B"]]}, "ranking"),
        (AnswerSchema(overall=Ranking()), {"ranking": [["A", "B"], ["B", "C"], ["D"]]}, "ranking"),
        (AnswerSchema(overall=Ranking()), {"ranking": [["A", "B", "C", "D", "E"]]}, "ranking"),
        (AnswerSchema(overall=Ranking()), {"answer": 1, "ranking": [["A", "B", "C", "D"]]}, "answer"),
        (AnswerSchema(overall=Ranking(allows_tie=False)), {"ranking": [["A", "B"], ["C"], ["D"]]}, "ranking"),
        (AnswerSchema(overall=NoOverall(), criteria=(SAFER,)), {"ranking": [["A", "B", "C", "D"]]}, "ranking"),
        (AnswerSchema(overall=NoOverall(), criteria=(SAFER,)), {}, "comparison.safer"),
        (AnswerSchema(overall=NoOverall(), criteria=(SAFER,)), {"comparisons": {"safer": "E"}}, "comparison.safer"),
        (AnswerSchema(overall=NoOverall(), criteria=(SAFER,)), {"comparisons": {"kinder": "A"}}, "criteria"),
        (AnswerSchema(overall=NoOverall(), criteria=(HELPFUL,)), {}, "rating.helpful"),
        (
            AnswerSchema(overall=NoOverall(), criteria=(HELPFUL,)),
            {"ratings": {"helpful": {"A": 1, "B": 2, "C": 3}}},
            "rating.helpful",
        ),
        (
            AnswerSchema(overall=NoOverall(), criteria=(HELPFUL,)),
            {"ratings": {"helpful": {"A": 1, "B": 2, "C": 3, "D": 6}}},
            "rating.helpful",
        ),
        (
            AnswerSchema(overall=Ranking(), tags=Tags(names=("rude",))),
            {"ranking": [["A", "B", "C", "D"]], "response_tags": {"A": ["kind"]}},
            "tags",
        ),
        (
            AnswerSchema(overall=Ranking(), tags=Tags(names=("rude",), per="task")),
            {"ranking": [["A", "B", "C", "D"]], "response_tags": {"A": ["rude"]}},
            "tags",
        ),
        (
            AnswerSchema(overall=Ranking()),
            {"ranking": [["A", "B", "C", "D"]], "edit": {"source": "A", "text": "Better."}},
            "edit",
        ),
        (AnswerSchema(overall=Ranking(), edit="required"), {"ranking": [["A", "B", "C", "D"]]}, "edit"),
        (
            AnswerSchema(overall=Ranking()),
            {"ranking": [["A", "B", "C", "D"]], "demonstration": "Mine."},
            "demonstration",
        ),
    ],
)
def test_what_the_schema_does_not_ask_for_is_refused_and_nothing_is_written(desk, clerk, db, schema, said, field):
    assignment, _ = desk(schema)
    with pytest.raises(Invalid) as refused:
        clerk.submit(assignment, said.pop("answer", None), **said)
    assert refused.value.field == field
    db.rollback()
    assert db.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 0


def test_ratings_and_comparisons_become_preferences_of_their_criterion(desk, clerk, db):
    assignment, letters = desk(AnswerSchema(criteria=(HELPFUL, SAFER)), ("One.", "Two."))
    taken = clerk.submit(assignment, 2, ratings={"helpful": {"A": 2, "B": 5}}, comparisons={"safer": "A"}).annotation
    ids = {letter: response_id for response_id, letter in letters.items()}
    sign = 1 if ids["B"] < ids["A"] else -1
    assert [(row.criterion, row.signed_strength, row.strength_steps) for row in preferences(db, taken)] == [
        ("overall", 2 * sign, 3),
        ("helpful", 3 * sign, 4),
        ("safer", -sign, 1),
    ]
    assert {row.group_id for row in preferences(db, taken)} == {None}
    assert taken.answer == {
        "ratings": {"helpful": {str(ids["A"]): 2, str(ids["B"]): 5}},
        "comparisons": {"safer": ids["A"]},
    }


def test_one_response_alone_is_rated_and_says_nothing_about_another(desk, clerk, db):
    assignment, _ = desk(AnswerSchema(overall=NoOverall(), criteria=(HELPFUL, SAFER)), ("One.",))
    taken = clerk.submit(assignment, None, ratings={"helpful": {"A": 4}}).annotation
    assert preferences(db, taken) == []


def test_an_edit_is_a_response_of_its_own_preferred_to_its_source(desk, clerk, db):
    assignment, letters = desk(AnswerSchema(edit="optional"), ("One.", "Two."))
    ids = {letter: response_id for response_id, letter in letters.items()}
    taken = clerk.submit(assignment, -1, edit={"source": "A", "text": "Better than one."}).annotation
    written = db.scalars(sa.select(Response).where(Response.annotation_id == taken.id)).one()
    assert (written.text, written.edited_from_id, written.position, written.model) == (
        "Better than one.",
        ids["A"],
        None,
        None,
    )
    [_overall, edit] = preferences(db, taken)
    assert (edit.criterion, edit.low_response_id, edit.high_response_id) == ("edit", ids["A"], written.id)
    assert (edit.signed_strength, edit.group_id) == (-1, None)


def test_a_copy_that_was_not_changed_is_no_edit(desk, clerk, db):
    assignment, letters = desk(AnswerSchema(edit="optional"), ("One.", "Two."))
    text = db.get_one(Response, next(iter(letters))).text
    taken = clerk.submit(assignment, -1, edit={"source": "A", "text": f" {text}\n"}).annotation
    assert taken.answer == {}
    assert db.scalar(sa.select(sa.func.count()).where(Response.annotation_id.is_not(None))) == 0


def test_a_bare_prompt_is_answered(desk, clerk, db):
    assignment, _ = desk(AnswerSchema(overall=NoOverall(), demonstration=True), ())
    with pytest.raises(Invalid, match="Write an answer"):
        clerk.submit(assignment, None, demonstration="  ")
    taken = clerk.submit(assignment, None, demonstration="The sky is blue.").annotation
    written = db.scalars(sa.select(Response).where(Response.annotation_id == taken.id)).one()
    assert (written.text, written.edited_from_id) == ("The sky is blue.", None)
    assert preferences(db, taken) == []


def test_a_revision_has_preferences_of_its_own_and_keeps_the_first(desk, clerk, db):
    assignment, _ = desk(AnswerSchema(overall=Ranking(), edit="optional"))
    first = clerk.submit(
        assignment, None, ranking=[["A"], ["B"], ["C"], ["D"]], edit={"source": "A", "text": "Mine."}
    ).annotation
    second = clerk.revise(assignment, None, revision=1, ranking=[["D"], ["C"], ["B"], ["A"]]).annotation
    assert [-row.signed_strength for row in preferences(db, first)[:6]] == [
        row.signed_strength
        for row in sorted(preferences(db, second), key=lambda row: pair_order(preferences(db, first), row))
    ]
    assert second.answer.keys() == {"ranking"}
    assert second.shown_order == first.shown_order


def pair_order(rows, wanted):
    return [(row.low_response_id, row.high_response_id) for row in rows].index(
        (wanted.low_response_id, wanted.high_response_id)
    )


@pytest.mark.parametrize(
    "other",
    [
        {"ranking": [["B"], ["A"], ["C"], ["D"]]},
        {"ratings": {"helpful": dict.fromkeys("ABCD", 2)}},
        {"comparisons": {"safer": "B"}},
        {"response_tags": {"B": ["rude"]}},
        {"edit": {"source": "B", "text": "Mine."}},
        {"edit": {"source": "A", "text": "Mine!"}},
    ],
)
def test_the_same_key_with_any_other_part_is_a_conflict(desk, clerk, db, other):
    schema = AnswerSchema(overall=Ranking(), criteria=(HELPFUL, SAFER), tags=Tags(names=("rude",)), edit="optional")
    assignment, _ = desk(schema)
    said = {
        "ranking": [["A"], ["D", "B"], ["C"]],
        "ratings": {"helpful": dict.fromkeys("ABCD", 3)},
        "comparisons": {"safer": "A"},
        "response_tags": {"A": ["rude"]},
        "edit": {"source": "A", "text": "Mine."},
    }
    first = clerk.submit(assignment, None, key="k", **said)
    again = clerk.submit(assignment, None, key="k", **said | {"ranking": [["A"], ["B", "D"], [], ["C"]]})
    assert (again.is_repeat, again.annotation.id) == (True, first.annotation.id)
    with pytest.raises(Conflict):
        clerk.submit(assignment, None, key="k", **said | other)
    assert db.scalar(sa.select(sa.func.count()).select_from(Annotation)) == 1


def test_the_hash_of_a_bare_choice_is_the_one_it_always_had():
    found = Judgement(answer=-2, rationale="Clear.").fingerprint(UUID(int=5))
    assert found == "f69b105d0dbd86073c327c09bdc638a4e2b00074d3deaa72c9bc6c74e9e0a228"


@st.composite
def judgements(draw):
    """(schema, number of responses, what is said): anything that a schema with every part may be told."""
    n = draw(st.integers(2, 9))
    letters = LETTERS[:n]
    place = {letter: draw(st.integers(1, n)) for letter in letters}
    tags = st.lists(st.sampled_from(["rude", "wrong"]), unique=True)
    said = {
        "ranking": [[each for each in letters if place[each] == at] for at in sorted(set(place.values()))],
        "ratings": {"helpful": {letter: draw(st.integers(1, 5)) for letter in letters}},
        "comparisons": {"safer": draw(st.sampled_from([*letters, "tie"]))},
        "response_tags": {letter: found for letter in letters if (found := sorted(draw(tags)))},
        "edit": draw(st.none() | st.just({"source": draw(st.sampled_from(letters)), "text": "Mine."})),
        "rationale": draw(st.sampled_from(["", "Because."])),
    }
    return n, said


EVERYTHING = AnswerSchema(
    overall=Ranking(), criteria=(HELPFUL, SAFER), tags=Tags(names=("rude", "wrong")), edit="optional"
)


@for_any(judgements(), st.randoms())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_is_said_by_letters_is_stored_by_ids_and_comes_back(case, chance):
    n, said = case
    shown = chance.sample(range(100, 200), n)
    judgement = Judgement(**said)
    given = answers.read(judgement, EVERYTHING, shown=shown, is_swapped=False, source_text=lambda _id: "One.")
    back = answers.said(given.answer.to_json(), choice=None, strength=0, shown=shown, is_swapped=False)
    assert Judgement(**back, rationale=judgement.rationale) == judgement
    derived = answers.derive(given, EVERYTHING, response_ids=sorted(shown))
    pairs = [each.preference for each in derived if each.criterion == "overall"]
    assert {(pair.low_response_id, pair.high_response_id) for pair in pairs} == set(combinations(sorted(shown), 2))
    assert all(abs(each.preference.signed_strength) <= each.strength_steps for each in derived)


@for_any(judgements())
def test_the_fields_of_a_form_say_the_same_as_the_judgement(case):
    _n, said = case
    judgement = Judgement(**said)
    fields = to_fields(judgement, EVERYTHING)
    assert Judgement(**from_fields(fields)) == judgement


def test_a_schema_that_the_tasks_do_not_fit_is_refused(make, db):
    project = make.project(schema=AnswerSchema(overall=Ranking()))
    admin = make.admin()
    make.task(project, responses=FOUR, n_compared=4)
    with pytest.raises(Conflict, match="tasks with 4 responses"):
        service.change_schema(db, viewer_id=admin.id, project_id=project.id, schema=AnswerSchema())
    service.change_schema(db, viewer_id=admin.id, project_id=project.id, schema=EVERYTHING)


def test_votes_carry_the_schema_that_they_were_given_under(make, clerk, db):
    project = make.project(policy=PLAIN)
    admin = make.admin()
    make.task(project)
    one, other = (make.annotator(make.member(project)) for _ in range(2))
    before = clerk.next(project, one)
    service.change_schema(
        db, viewer_id=admin.id, project_id=project.id, schema=AnswerSchema(overall=Pairwise(strength_steps=1))
    )
    after = clerk.next(project, other)
    strong = clerk.submit(before, 3).annotation
    with pytest.raises(Invalid):
        clerk.submit(after, 3)
    weak = clerk.submit(after, 1).annotation
    newest = queries.newest_schema(db, project.id)
    assert (weak.schema_version_id, strong.schema_version_id != newest.id) == (newest.id, True)
    assert [preferences(db, each)[0].strength_steps for each in (strong, weak)] == [3, 1]
