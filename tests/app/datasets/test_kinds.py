"""Freezing rankings, criteria, edits and answers to bare prompts: which rows come of them."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from app.datasets import service
from app.projects.definitions import AnswerSchema, Likert, NoOverall, Policy, Ranking
from tests.app.annotation.desk import Clerk
from tests.app.datasets.votes import freeze
from workers.training.demonstrations import read_demonstrations

PLAIN = Policy(overlap=2, gold_rate=0.0)


@pytest.fixture
def clerk(db):
    return Clerk(db)


def rows_of(version, name):
    stream, _size = service.open_file(version, name)
    with stream:
        return [json.loads(line) for line in stream]


def all_rows(version, *names):
    return [row for name in names if name in version.files for row in rows_of(version, name)]


def answer_all(clerk, make, project, say):
    """One person judges every task; `say(letters by text)` gives the fields."""
    person = make.annotator(make.member(project))
    while not isinstance(assignment := clerk.next(project, person), str):
        row = clerk.row(assignment)
        texts = clerk.session.execute(
            sa.text("SELECT id, text FROM response WHERE id = ANY(:ids)"),
            {"ids": row.response_ids},
        ).all()
        by_id = dict(map(tuple, texts))
        letters = {by_id[one]: letter for one, letter in zip(row.shown_ids, "ABCDEFGHI", strict=False)}
        said = say(letters)
        clerk.submit(assignment, said.pop("answer", None), **said)


def test_a_ranking_project_freezes_to_pairs_of_one_group_with_weight_two_by_k(make, clerk, db):
    schema = AnswerSchema(overall=Ranking(), criteria=(Likert(key="helpful", name="Helpful", points=5),))
    project = make.project(policy=PLAIN, schema=schema)
    texts = ("The best of all.", "Good, as it is.", "As good as that.", "The worst.")
    for n in range(3):
        make.task(project, prompt=f"Prompt {n}", responses=texts, n_compared=4)

    def say(at):
        return {
            "ranking": [[at[texts[0]]], sorted([at[texts[1]], at[texts[2]]]), [at[texts[3]]]],
            "ratings": {"helpful": {at[texts[0]]: 5, at[texts[1]]: 3, at[texts[2]]: 3, at[texts[3]]: 1}},
        }

    answer_all(clerk, make, project, say)
    answer_all(clerk, make, project, say)
    version, _job = freeze(db, project, agreement=0.75)
    rows = all_rows(version, "train.jsonl", "held_out.jsonl")
    assert len(rows) == 3 * 6 * 2
    assert {row["weight"] for row in rows} == {0.5}
    overall = [row for row in rows if row["criterion"] == "overall"]
    assert len({row["group_id"] for row in overall}) == 3
    for row in overall:
        places = {texts[0]: 1, texts[1]: 2, texts[2]: 2, texts[3]: 4}
        assert row["rank"] == [places[row["chosen"]], places[row["rejected"]]]
        # Two full votes at P = .75: a = .5, p = (.5 + 2) / (1 + 2); a tie is .5.
        assert row["p"] == (0.5 if row["rank"] == [2, 2] else pytest.approx(5 / 6, abs=1e-6))
    helpful = {(row["chosen"], row["rejected"]): row for row in rows if row["criterion"] == "helpful"}
    # Four points of four apart are a full vote; two of four are .75 each: (.5 + 1.5) / 3.
    assert helpful[texts[0], texts[3]]["p"] == pytest.approx(5 / 6, abs=1e-6)
    assert helpful[texts[0], texts[1]]["p"] == pytest.approx(2 / 3, abs=1e-6)
    assert helpful[texts[0], texts[1]]["margin"] == 2
    assert version.manifest["agreement"]["n_items"] == 3 * 6 * 2
    assert service.rebuild_hash(db, version) == version.content_hash
    assert "demonstrations.jsonl" not in version.files


def test_an_edit_is_a_row_over_its_source_and_a_demonstration(make, clerk, db):
    project = make.project(policy=PLAIN, schema=AnswerSchema(edit="optional"))
    for n in range(4):
        make.task(project, prompt=f"Prompt {n}", responses=("Right so.", "Wrong so."))
    answer_all(
        clerk,
        make,
        project,
        lambda at: {
            "answer": -1 if at["Right so."] == "A" else 1,
            "edit": {"source": at["Right so."], "text": "Right, and more."},
        },
    )
    version, _job = freeze(db, project)
    rows = all_rows(version, "train.jsonl", "held_out.jsonl")
    edits = [row for row in rows if row["criterion"] == "edit"]
    assert {(row["chosen"], row["rejected"]) for row in edits} == {("Right, and more.", "Right so.")}
    assert len(edits) == 4
    assert all(":0-written-" in row["pair_id"] and row["group_id"] is None for row in edits)
    written = all_rows(version, "demonstrations.jsonl", "held_out_demonstrations.jsonl")
    assert {(row["completion"], row["edited_from"], row["weight"]) for row in written} == {("Right, and more.", 0, 1.0)}
    split_of = {row["prompt_cluster"]: row["split"] for row in rows}
    assert all(split_of[row["prompt_cluster"]] == row["split"] for row in written)
    assert sum(version.manifest["counts"]["demonstrations"].values()) == 4
    assert service.rebuild_hash(db, version) == version.content_hash


def test_answers_to_bare_prompts_alone_make_a_version_for_fine_tuning(make, clerk, db, browse, tmp_path):
    project = make.project(policy=PLAIN, schema=AnswerSchema(overall=NoOverall(), demonstration=True))
    for n in range(12):
        make.task(project, prompt=f"Prompt {n}", responses=(), n_compared=0)
    answer_all(clerk, make, project, lambda _at: {"demonstration": "Because."})
    version, job = freeze(db, project, held_out_share=0.3)
    assert version.frozen_at is not None, job.error
    counts = version.manifest["counts"]["demonstrations"]
    assert sum(counts.values()) == 12
    assert min(counts.values()) > 0
    path = tmp_path / "demonstrations.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(version, "demonstrations.jsonl")))
    read = read_demonstrations(path, answers="completion")
    assert {(each.completion, each.weight) for each in read.demonstrations} == {("Because.", 1.0)}
    assert len({each.prompt_cluster for each in read.demonstrations}) == counts["train"]
    assert service.rebuild_hash(db, version) == version.content_hash
    page = browse(make.admin()).get(f"/projects/{project.id}/datasets/{version.number}")
    assert page.status_code == 200
    assert "held_out_demonstrations.jsonl" in page.text
