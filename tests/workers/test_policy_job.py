"""SFT and DPO through a real worker: a model from scratch, runs that go on from it, and what a kill changes."""

import json

import pytest

from app import database, queue, storage
from app.models import JobState
from tests.support import trainings
from tests.support.factories import Factory
from tests.support.workers import arena as make_arena

pytestmark = [pytest.mark.faults, pytest.mark.training]

LONG = 120
SHORT = {"epochs": 1, "batch_size": 8, "checkpoint_every": 2, "log_every": 1, "max_length": 48}


@pytest.fixture
def arena(tmp_path, monkeypatch, worker_id):
    quick = {
        "ACCORD_TRAINING_NICE": "0",
        "ACCORD_TRAINING_THREADS": "1",
        "ACCORD_JOB_LEASE_SECONDS": "8",
        "ACCORD_TRAINING_DEVICES": "cpu-1",
        "TEST_FAULTS": str(tmp_path),
    }
    with make_arena(tmp_path, monkeypatch, worker_id, **quick) as made:
        yield made


def read(run, name):
    with storage.open_stored(trainings.run_of(run.id).files[name]["stored"]) as file:
        return file.read()


def ended(arena, run):
    arena.until(lambda: arena.job(run.job_id).state not in queue.ACTIVE, LONG)
    job = arena.job(run.job_id)
    return job, trainings.run_of(run.id)


def test_dpo_goes_on_from_the_model_of_sft_and_a_killed_one_ends_bit_identical(arena):
    arena.beat()
    arena.trainer()
    with database.unit_of_work() as session:
        project_id = Factory(session).project().id
    sft = trainings.enqueue(project_id=project_id, algorithm="sft", **SHORT | {"learning_rate": 1e-3})
    job, tuned = ended(arena, sft)
    assert (job.state, job.error, job.attempt) == (JobState.SUCCEEDED, None, 1)
    assert tuned.result["n_train_rows"] <= 48
    assert tuned.result["eval_loss"] > 0
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(tuned.files)
    assert {"mean_token_accuracy", "rows_per_second"} <= set(trainings.metrics(sft.job_id)[-1].values)

    further = SHORT | {"model": f"run-{sft.number}", "base_run": sft.number, "lora_rank": 2, "learning_rate": 1e-2}
    whole = trainings.enqueue(project_id=project_id, algorithm="dpo", **further)
    killed = trainings.enqueue(project_id=project_id, algorithm="dpo", **further)
    (arena.folder / "faults.json").write_text(json.dumps({f"{killed.id}-1": [4, "kill"]}))
    job, done = ended(arena, whole)
    assert (job.state, job.error, job.attempt) == (JobState.SUCCEEDED, None, 1)
    for name in ("eval_accuracy", "length_only_accuracy", "mean_margin", "n_completions_cut"):
        assert name in done.result, name
    assert all("rewards/margins" in row.values for row in trainings.metrics(whole.job_id))
    assert {"model.safetensors", "adapter/adapter_model.safetensors"} <= set(done.files)
    assert done.files["model.safetensors"]["sha256"] != tuned.files["model.safetensors"]["sha256"]
    assert "Phase: reference" in trainings.log_lines(whole.job_id)
    card = read(whole, "README.md").decode()
    assert f"Made from run-{sft.number}." in card
    assert tuned.files["model.safetensors"]["sha256"] in card
    assert trainings.content_hash_of(sft) in card
    assert trainings.content_hash_of(whole) in card

    job, again = ended(arena, killed)
    assert (job.state, job.error, job.attempt) == (JobState.SUCCEEDED, None, 2)
    assert trainings.weights(again) == trainings.weights(done)
    assert list((storage.settings().data_dir / "scratch").iterdir()) == []


def test_a_worker_told_to_stop_during_sft_hands_the_run_back_with_a_checkpoint(arena):
    worker = arena.trainer()
    run = trainings.enqueue(algorithm="sft", **SHORT | {"epochs": 200})
    arena.until(lambda: trainings.checkpoints(run.id), LONG)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    job = arena.job(run.job_id)
    assert (job.state, job.failures, job.attempt) == (JobState.QUEUED, 0, 1)
    kept = max(row.step for row in trainings.checkpoints(run.id) if row.removed_at is None and row.refused is None)
    assert kept >= trainings.metrics(run.job_id)[-1].step - 1
