"""import_rows: all or nothing, nothing twice, and counters that are right from the first moment."""

from collections import Counter
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app import database
from app.errors import NotFound
from app.exchange import queries
from app.exchange.rows import Gold, ImportRow, Message, Vote
from app.exchange.rows import Response as ResponseText
from app.exchange.service import ImportRefused, import_rows
from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    AuditEvent,
    Choice,
    GoldAnswer,
    ImportBatch,
    OverlapReason,
    Preference,
    Prompt,
    Response,
    Standing,
    Task,
    TaskKind,
    TaskResponse,
    TaskStatus,
)
from app.projects.definitions import AnswerSchema, Pairwise, Policy
from app.queue import Cancelled


def row(number: int = 1, *, responses: tuple[str, ...] = ("left", "right"), **values) -> ImportRow:
    return ImportRow(
        **{
            "row": number,
            "prompt": f"Prompt {number}",
            "responses": tuple(ResponseText(f"{text} {number}", model=f"model-{text}") for text in responses),
            **values,
        }
    )


def vote(annotator: str, choice: str = "response_a", strength: int | None = None, **values) -> Vote:
    return Vote(annotator=annotator, choice=choice, strength=strength, **values)


@pytest.fixture
def project(make):
    return make.project(policy=Policy(overlap=3))


@pytest.fixture
def load(db, project):
    def load(*rows: ImportRow, **options):
        return import_rows(
            db,
            **{
                "project_id": project.id,
                "rows": iter(rows),
                "filename": "rows.jsonl",
                "file_hash": "f" * 64,
                "actor_id": None,
                **options,
            },
        )

    return load


def everything(db) -> Counter[str]:
    return Counter(
        {
            model.__tablename__: db.scalar(sa.select(sa.func.count()).select_from(model))
            for model in (
                Prompt,
                Response,
                Task,
                TaskResponse,
                GoldAnswer,
                Annotator,
                Annotation,
                Preference,
                ImportBatch,
            )
        }
    )


def test_a_row_becomes_prompt_responses_and_a_task(db, load, project):
    counts = load(
        row(1, task_id="t-1", domain="maths", language="de", tags=("easy", "short"), metadata={"source": "x"})
    )
    prompt, task = db.scalars(sa.select(Prompt)).one(), db.scalars(sa.select(Task)).one()
    assert (prompt.external_id, prompt.content, prompt.search_text) == ("t-1", {"text": "Prompt 1"}, "Prompt 1")
    assert (prompt.meta, prompt.batch_id) == ({"source": "x"}, counts.batch_id)
    assert (task.domain, task.language, task.tags) == ("maths", "de", ["easy", "short"])
    assert (task.status, task.n_target, task.n_counted, task.n_leased) == (TaskStatus.OPEN, 3, 0, 0)
    responses = db.scalars(sa.select(Response).order_by(Response.position)).all()
    assert [(r.text, r.model) for r in responses] == [("left 1", "model-left"), ("right 1", "model-right")]
    compared = db.scalars(sa.select(TaskResponse).order_by(TaskResponse.position)).all()
    assert [(c.task_id, c.response_id) for c in compared] == [(task.id, r.id) for r in responses]
    assert (counts.rows, counts.prompts, counts.responses, counts.tasks, counts.votes) == (1, 1, 2, 1, 0)


def test_the_readable_text_of_messages_is_searched(db, load):
    messages = (Message("system", "Be brief."), Message("user", "Where in Austria is Vienna?"))
    load(row(1, prompt=messages))
    found = sa.select(Prompt.search_text).where(Prompt.search.op("@@")(sa.func.plainto_tsquery("simple", "austria")))
    assert db.scalar(found) == "Be brief.\n\nWhere in Austria is Vienna?"


@pytest.mark.parametrize(("responses", "pairs"), [(2, 1), (3, 3), (4, 6), (9, 36)])
def test_more_responses_become_all_pairs(db, load, responses, pairs):
    assert load(row(1, responses=tuple("abcdefghi"[:responses]))).tasks == pairs
    first, second = sa.orm.aliased(TaskResponse), sa.orm.aliased(TaskResponse)
    found = db.execute(
        sa.select(first.response_id, second.response_id)
        .join(second, sa.and_(second.task_id == first.task_id, second.position == 1))
        .where(first.position == 0)
    ).all()
    assert len(set(found)) == pairs
    assert all(low < high for low, high in found)


def test_places_in_the_queue_are_random_and_can_be_fixed(db, make, project):
    def keys(project_id: int, seed: int | None) -> list[int]:
        import_rows(
            db,
            project_id=project_id,
            rows=[row(n) for n in range(20)],
            filename="f",
            file_hash="h",
            actor_id=None,
            seed=seed,
        )
        return list(db.scalars(sa.select(Task.queue_key).where(Task.project_id == project_id).order_by(Task.id)))

    one, same, other = (keys(make.project().id, seed) for seed in (7, 7, None))
    assert one == same != other
    assert one != sorted(one)


def test_a_known_answer_makes_a_gold_task(db, load):
    counts = load(row(1, gold=Gold("response_b", "Because.")), row(2))
    gold = db.scalars(sa.select(GoldAnswer)).one()
    assert (gold.choice, gold.explanation, counts.gold_tasks) == (Choice.SECOND, "Because.", 1)
    kinds = dict(db.execute(sa.select(Task.id, Task.kind)).all())
    assert kinds.pop(gold.task_id) == TaskKind.GOLD
    assert list(kinds.values()) == [TaskKind.REGULAR]


def test_the_best_of_three_is_known_only_in_its_own_pairs(db, load):
    load(row(1, responses=("a", "b", "c"), gold=Gold("response_b", "Best.")))
    found = db.execute(sa.select(Task.kind, GoldAnswer.choice).outerjoin(GoldAnswer).order_by(Task.id)).all()
    assert found == [(TaskKind.GOLD, "second"), (TaskKind.REGULAR, None), (TaskKind.GOLD, "first")]


def test_votes_are_kept_counted_and_derived(db, load, project):
    at = datetime(2016, 2, 1, 12, tzinfo=UTC)
    counts = load(
        row(
            1,
            votes=(
                vote("w1", "response_a", 2, submitted_at=at, seconds=1.5, rationale="Clear."),
                vote("w2", "response_b"),
                vote("w3", "tie"),
            ),
        )
    )
    task = db.scalars(sa.select(Task)).one()
    assert (task.n_target, task.n_counted, task.status) == (3, 3, TaskStatus.DONE)
    assert task.done_at is not None
    rows = db.execute(
        sa.select(Annotation, Annotator.external_id, Preference)
        .join(Annotator, Annotator.id == Annotation.annotator_id)
        .join(Preference, Preference.annotation_id == Annotation.id)
        .order_by(Annotation.id)
    ).all()
    assert [(a.choice, a.strength, name) for a, name, _ in rows] == [
        (Choice.FIRST, 2, "w1"),
        (Choice.SECOND, 1, "w2"),
        (Choice.TIE, 0, "w3"),
    ]
    assert [(p.signed_strength, p.is_both_bad) for *_, p in rows] == [(2, False), (-1, False), (0, False)]
    first = rows[0][0]
    assert (first.submitted_at, first.rationale, first.is_swapped, first.assignment_id) == (at, "Clear.", None, None)
    assert (first.active_ms, rows[1][0].active_ms) == (1500, None)
    assert (first.overlap_reason, first.standing) == (OverlapReason.IMPORTED, Standing.COUNTED)
    assert None not in (first.guideline_version_id, first.schema_version_id, first.policy_version_id)
    assert (counts.votes, counts.annotators) == (3, 3)


def test_imported_annotators_are_pseudonyms_of_the_project(db, load, project):
    load(row(1, votes=(vote("jane@example.org"),)))
    annotator = db.scalars(sa.select(Annotator).where(Annotator.kind == AnnotatorKind.IMPORTED)).one()
    assert annotator.pseudonym == f"imported-{annotator.id:06d}"
    assert (annotator.external_id, annotator.project_id, annotator.user_id) == ("jane@example.org", project.id, None)


def test_an_annotator_of_many_rows_is_one_person(db, load):
    assert load(*(row(n, votes=(vote("w1"), vote(f"w{n}x"))) for n in range(1, 6))).annotators == 6


def test_a_vote_speaks_about_the_pair_that_it_names(db, load):
    assert load(row(1, responses=("a", "b", "c"), votes=(vote("w1", "response_c", pair=(2, 0)),))).votes == 1
    found = db.execute(sa.select(Task.n_counted, Task.n_target, Task.status).order_by(Task.id)).all()
    assert found == [(0, 3, TaskStatus.OPEN), (1, 1, TaskStatus.DONE), (0, 3, TaskStatus.OPEN)]
    assert db.scalars(sa.select(Annotation.choice)).one() == Choice.SECOND


def test_a_voted_task_may_ask_for_more(db, load):
    load(row(1, votes=(vote("w1"), vote("w2"))), row(2), extra_overlap=2, overlap=5)
    found = db.execute(sa.select(Task.n_counted, Task.n_target, Task.status).order_by(Task.id)).all()
    assert found == [(2, 4, TaskStatus.OPEN), (0, 5, TaskStatus.OPEN)]


def test_votes_on_a_gold_task_are_outside_overlap(db, load):
    load(row(1, gold=Gold("response_a"), votes=(vote("w1"),)))
    task = db.scalars(sa.select(Task)).one()
    assert (task.n_counted, task.n_target, task.status) == (0, 3, TaskStatus.OPEN)
    assert db.scalars(sa.select(Annotation.standing)).one() == Standing.GOLD


def test_a_repeated_import_adds_nothing(db, load):
    rows = [row(n, task_id=f"t{n}", votes=(vote("w1"), vote("w2"))) for n in range(1, 4)]
    first = load(*rows)
    before = everything(db)
    again = load(*rows)
    assert everything(db) == before
    assert (again.prompts, again.tasks, again.votes, again.annotators) == (0, 0, 0, 0)
    assert (again.repeated_rows, again.repeated_votes, again.batch_id) == (3, 6, first.batch_id)
    assert db.scalar(sa.select(sa.func.sum(Task.n_counted))) == 6


def test_the_same_text_under_two_ids_is_two_tasks(load):
    assert load(row(1, task_id="t1"), row(1, task_id="t2")).tasks == 2


def test_new_votes_on_old_rows_raise_the_target_and_count(db, load):
    load(row(1), row(2, votes=(vote("w1"),)))
    counts = load(row(1, votes=(vote("w1"),)), row(2, votes=(vote("w1"), vote("w2", "response_b"))))
    found = db.execute(sa.select(Task.n_counted, Task.n_target, Task.status).order_by(Task.id)).all()
    assert found == [(1, 4, TaskStatus.OPEN), (2, 2, TaskStatus.DONE)]
    assert (counts.votes, counts.repeated_votes, counts.prompts) == (2, 1, 0)


def test_a_row_that_repeats_an_earlier_one_of_its_file_is_left_out(load):
    counts = load(row(1), row(1), row(2))
    assert (counts.prompts, counts.repeated_rows) == (2, 1)


def refused(load, *rows, **options):
    with pytest.raises(ImportRefused) as caught:
        load(*rows, **options)
    return [(problem.row, problem.column, problem.code) for problem in caught.value.problems]


def test_an_id_with_another_text_is_a_problem(load):
    load(row(1, task_id="t1"))
    assert refused(load, row(2, task_id="t1")) == [(2, "task_id", "task_id_other_text")]


@pytest.mark.parametrize("distance", [1, 1500])
def test_an_id_that_stands_twice_in_a_file_is_a_problem(load, distance):
    rows = [row(n) for n in range(2, distance + 1)]
    found = refused(load, row(1, task_id="t1"), *rows, row(distance + 1, task_id="t1"))
    assert found == [(distance + 1, "task_id", "task_id_other_text")]


def test_votes_on_a_row_that_stands_twice_are_a_problem(load):
    assert refused(load, row(1, votes=(vote("w1"),)), row(1, votes=(vote("w2"),))) == [(1, "votes", "votes_apart")]


def test_voting_twice_on_a_pair_is_a_problem(load):
    twice = row(4, votes=(vote("w1"), vote("w1", "response_b", pair=(1, 0))))
    assert refused(load, twice) == [(4, "votes", "vote_twice")]


def test_an_earlier_vote_is_never_changed(load):
    load(row(1, votes=(vote("w1", "response_a"),)))
    assert refused(load, row(1, votes=(vote("w1", "response_b"),))) == [(1, "votes", "vote_changed")]


def test_a_problem_names_row_and_column_in_a_sentence(load):
    load(row(1, task_id="t1"))
    with pytest.raises(ImportRefused) as caught:
        load(row(7, task_id="t1"))
    assert caught.value.sentence() == (
        "Nothing was imported. Row 7, column task_id: the task_id “t1” is already there with another text. "
        "Use a new id for a new text."
    )


def test_votes_must_fit_the_choices_of_the_project(db, make, load):
    strict = make.project(
        schema=AnswerSchema(overall=Pairwise(allows_tie=False, allows_both_bad=False, strength_steps=2))
    )
    problems = refused(
        load,
        row(1, votes=(vote("w1", "tie"),)),
        row(2, votes=(vote("w1", "both_bad"),)),
        row(3, votes=(vote("w1", "response_a", 3),)),
        row(4, gold=Gold("tie")),
        project_id=strict.id,
    )
    assert [(number, column) for number, column, _ in problems] == [
        (1, "votes"),
        (2, "votes"),
        (3, "votes"),
        (4, "gold"),
    ]


def test_any_problem_keeps_nothing(db, load):
    before = everything(db)
    with pytest.raises(ImportRefused, match="2 problems"), db.begin_nested():
        load(
            *(row(n) for n in range(1, 30)),
            row(30, votes=(vote("w"), vote("w"))),
            row(31, votes=(vote("w"), vote("w"))),
        )
    assert everything(db) == before


def test_problems_end_at_a_hundred(load):
    assert len(refused(load, *(row(n, votes=(vote("w"), vote("w"))) for n in range(1, 2500)))) == 100


def test_an_import_without_rows_is_refused(load):
    with pytest.raises(ImportRefused, match="holds no rows"):
        load()


def test_an_unknown_project_is_not_found(load):
    with pytest.raises(NotFound):
        load(row(1), project_id=10**9)


def test_progress_is_told_and_may_stop_the_work(db, load):
    told = []

    def report(**what) -> None:
        told.append(what)
        if len(told) == 2:
            raise Cancelled

    before = everything(db)
    with pytest.raises(Cancelled), db.begin_nested():
        load(*(row(n) for n in range(1, 4001)), reporter=report, progress=lambda: len(told) / 4)
    assert [what["progress"] for what in told] == [0, 0.25]
    assert everything(db) == before


def test_two_imports_into_one_project_come_one_after_the_other(db, load, project):
    told = []
    with database.engine().connect() as other:
        assert other.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(queries.IMPORT_LOCK, project.id)))
        counts = load(
            row(1), reporter=lambda **what: told.append(what["phase"]), pause=lambda _seconds: other.rollback()
        )
    assert told == ["waiting", "importing"]
    assert counts.tasks == 1


def test_the_deed_is_on_the_audit_trail(db, load, make):
    admin = make.admin()
    counts = load(row(1), actor_id=admin.id)
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "tasks.imported")).one()
    assert (event.actor_id, event.target_id, event.detail["tasks"]) == (admin.id, str(counts.batch_id), 1)


def test_statements_do_not_grow_with_the_rows(load, count_statements):
    with count_statements() as few:
        load(row(1, votes=(vote("w1"),)))
    with count_statements() as many:
        load(*(row(n, votes=(vote("w1"), vote(f"w{n}"))) for n in range(2, 502)))
    assert len(many) == len(few)


def test_the_planner_knows_of_a_large_import_before_autovacuum_comes_by(db, load):
    def estimate():
        return db.scalar(sa.text("SELECT reltuples FROM pg_class WHERE oid = 'prompt'::regclass"))

    load(*(row(number) for number in range(20)))
    assert estimate() != pytest.approx(20)
    load(*(row(number) for number in range(20, 1_100)), file_hash="e" * 64)
    assert estimate() == pytest.approx(1_100, rel=0.1)
