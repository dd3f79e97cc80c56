"""Evaluations through a real worker: a reward model on pairs and sets, a language model beside where it began."""

import json
from io import BytesIO

import pytest

from app import database, queue, storage
from app.models import JobState, TrainingRun
from app.training import evaluations
from app.training.evaluation_schemas import EvaluationOptions
from tests.support import trainings
from tests.support.factories import Factory
from tests.support.workers import arena as make_arena

pytestmark = [pytest.mark.faults, pytest.mark.training]

LONG = 120
SHORT = {"epochs": 1, "batch_size": 8, "checkpoint_every": 100, "log_every": 1, "max_length": 48}


@pytest.fixture
def arena(tmp_path, monkeypatch, worker_id):
    quick = {
        "ACCORD_TRAINING_NICE": "0",
        "ACCORD_TRAINING_THREADS": "1",
        "ACCORD_TRAINING_DEVICES": "cpu-1,cpu-2",
        "TEST_FAULTS": str(tmp_path),
    }
    with make_arena(tmp_path, monkeypatch, worker_id, **quick) as made:
        yield made


def ask(run, *, file=None, **options):
    with database.unit_of_work() as session:
        upload = evaluations.Upload(BytesIO(file), "rows.jsonl") if file is not None else None
        own = session.get_one(TrainingRun, run.id)
        user = Factory(session).user()
        wanted = EvaluationOptions(**options)
        return evaluations.start(session, run=own, actor_id=user.id, options=wanted, upload=upload).id


def ended(arena, *job_ids):
    arena.until(lambda: all(arena.job(job_id).state not in queue.ACTIVE for job_id in job_ids), LONG)
    return [arena.job(job_id) for job_id in job_ids]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_finished_runs_are_measured_bad_rows_are_a_sentence_and_a_stopped_worker_hands_back(arena):
    arena.beat()
    worker = arena.trainer(concurrency=2)
    with database.unit_of_work() as session:
        project_id = Factory(session).project().id
    scorer, other = (trainings.enqueue(project_id=project_id, seed=seed, **SHORT) for seed in (0, 1))
    tuned = trainings.enqueue(project_id=project_id, algorithm="sft", **SHORT)
    ended(arena, scorer.job_id, other.job_id, tuned.job_id)
    further = trainings.enqueue(
        project_id=project_id,
        algorithm="dpo",
        **SHORT | {"model": f"run-{tuned.number}", "base_run": tuned.number, "learning_rate": 1e-2},
    )
    sets = [
        {"prompt": row["prompt"], "chosen": [row["chosen"]], "rejected": [row["rejected"]] * 3}
        for row in trainings.pairs(12, seed=5)
    ]
    asked = [
        ask(scorer, dataset=other.number, against=other.number),
        ask(scorer, file=lines(sets)),
        ask(scorer, file=b'{"prompt": "p", "chosen": "a"}\n'),
    ]
    pairs, best, bad = ended(arena, *asked)
    assert (pairs.state, pairs.error, pairs.attempt) == (JobState.SUCCEEDED, None, 1)
    assert pairs.result["model"] == f"run-{scorer.number}"
    assert pairs.result["pairs"]["n_pairs"] == 20
    assert pairs.result["max_length"] == 48
    assert set(pairs.result["baselines"]) == {"length", "surface", "words"}
    assert pairs.result["against"]["model"] == f"run-{other.number}"
    assert (best.state, best.error) == (JobState.SUCCEEDED, None)
    assert best.result["best_of_4"]["n"] == 12
    assert (bad.state, bad.attempt) == (JobState.FAILED, 1)
    assert "Row 1 of measured.jsonl has no rejected" in bad.error

    ended(arena, further.job_id)
    (answers,) = ended(
        arena,
        ask(further, dataset=further.number, judge=scorer.number, max_prompts=6, max_new_tokens=5, samples=2),
    )
    assert (answers.state, answers.error) == (JobState.SUCCEEDED, None)
    assert (answers.result["policy"], answers.result["reference"]) == (f"run-{further.number}", f"run-{tuned.number}")
    assert answers.result["total"]["n"] == 6
    assert answers.result["total"]["win_rate"] is not None
    assert answers.result["implicit_reward"]["n_pairs"] == 20
    assert len(answers.result["samples"]) == 2
    assert list((storage.settings().data_dir / "scratch").iterdir()) == []

    slow = ask(
        further, file=lines({"prompt": f"water {number}"} for number in range(3000)), max_prompts=0, max_new_tokens=30
    )
    arena.until(lambda: arena.job(slow).progress > 0, LONG)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    job = arena.job(slow)
    assert (job.state, job.failures, job.attempt) == (JobState.QUEUED, 0, 1)
