"""Trainings through real workers: what is killed, stopped, paused, starved or misled still ends as it should."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app import database, queue, storage
from app.main import create_app
from app.models import JobState
from app.training import ledger_queries
from tests.support import trainings
from tests.support.upping import is_alive
from tests.support.workers import arena as make_arena

pytestmark = [pytest.mark.faults, pytest.mark.training]

KILLED_RUNS = 10 if os.environ.get("ACCORD_PROVE") else 2
LONG = 120


@pytest.fixture
def arena(tmp_path, monkeypatch, worker_id):
    quick = {
        "ACCORD_TRAINING_NICE": "0",
        "ACCORD_TRAINING_THREADS": "1",
        "ACCORD_JOB_LEASE_SECONDS": "8",
        "ACCORD_TRAINING_DEVICES": "cpu-1,cpu-2",
        "TEST_FAULTS": str(tmp_path),
    }
    with make_arena(tmp_path, monkeypatch, worker_id, **quick) as made:
        yield made


def has_ended(arena, *runs):
    return all(arena.job(run.job_id).state not in queue.ACTIVE for run in runs)


def live(run):
    return [row for row in trainings.checkpoints(run.id) if row.removed_at is None and row.refused is None]


def children():
    """The training processes on this machine that work for this test's folder."""
    root = str(storage.settings().data_dir / "scratch")
    return [entry for entry in Path("/proc").glob("[0-9]*") if is_alive(entry) and folder_of(entry).startswith(root)]


def folder_of(entry):
    try:
        return str((entry / "cwd").readlink())
    except OSError:
        return ""


def test_messages_that_come_five_times_give_one_model_its_card_and_its_curve(arena):
    arena.trainer()
    run = trainings.enqueue()
    for _ in range(4):
        queue.wake_up(run.job_id, "train")
    arena.until(lambda: has_ended(arena, run), LONG)
    job, done = arena.job(run.job_id), trainings.run_of(run.id)
    assert (job.state, job.error, job.attempt) == (JobState.SUCCEEDED, None, 1)
    assert done.result["steps"] == trainings.STEPS
    assert done.result["eval_accuracy"] > 0.7
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md", "metrics.json"} <= set(done.files)
    with storage.open_stored(done.files["README.md"]["stored"]) as card:
        assert trainings.content_hash_of(run) in card.read().decode()
    assert [row.step for row in trainings.metrics(run.job_id)] == list(range(1, trainings.STEPS + 1))
    assert trainings.metrics(run.job_id, "evaluation")[0].values["eval_loss"] > 0
    assert live(run)[-1].step == trainings.STEPS
    stored = storage.settings().data_dir / "artifacts" / "runs" / str(run.id) / "attempt-1"
    left = ["result", *(row.stored.rpartition("/")[2] for row in live(run))]
    assert sorted(path.name for path in stored.iterdir()) == sorted(left)
    assert list((storage.settings().data_dir / "scratch").iterdir()) == []


def test_runs_whose_child_is_killed_at_a_random_step_end_bit_identical(arena):
    whole, *killed = [trainings.enqueue() for _ in range(1 + KILLED_RUNS)]
    steps = {f"{run.id}-1": [random.randint(1, trainings.STEPS), "kill"] for run in killed}
    (arena.folder / "faults.json").write_text(json.dumps(steps))
    arena.beat()
    arena.trainer(concurrency=2)
    arena.until(lambda: has_ended(arena, whole, *killed), LONG * (1 + KILLED_RUNS))
    expected = trainings.weights(trainings.run_of(whole.id))
    for run in killed:
        job = arena.job(run.job_id)
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2), steps
        assert trainings.weights(trainings.run_of(run.id)) == expected, steps


def test_a_worker_told_to_stop_hands_the_job_back_and_one_that_is_killed_leaves_no_child(arena):
    worker = arena.trainer()
    run = trainings.enqueue(epochs=40)
    arena.until(lambda: trainings.checkpoints(run.id), LONG)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    job = arena.job(run.job_id)
    assert (job.state, job.failures, job.attempt) == (JobState.QUEUED, 0, 1)
    kept = live(run)[-1]
    assert kept.step >= trainings.metrics(run.job_id)[-1].step - 1
    assert children() == []

    worker = arena.trainer()
    arena.until(lambda: any(row.attempt == 2 for row in live(run)), LONG)
    arena.until(lambda: f"Going on from the checkpoint of step {kept.step}" in trainings.log_lines(run.job_id))
    os.killpg(worker.pid, signal.SIGKILL)
    arena.until(lambda: children() == [], 10)
    worker.wait()
    arena.beat()
    arena.trainer()
    arena.until(lambda: arena.job(run.job_id).attempt == 3, 90)
    assert arena.job(run.job_id).failures == 0
    with database.unit_of_work() as session:
        queue.request_cancel(session, run.job_id)
    arena.until(lambda: has_ended(arena, run), 30)
    assert children() == []


def test_a_paused_zombies_writes_are_refused(arena):
    run = trainings.enqueue()
    (arena.folder / "faults.json").write_text(json.dumps({f"{run.id}-1": [5, "pause"]}))
    zombie = arena.trainer()
    arena.until(lambda: arena.job(run.job_id).attempt == 1, LONG)
    arena.beat()
    arena.until(lambda: arena.job(run.job_id).state == JobState.QUEUED, LONG)
    arena.trainer()
    arena.until(lambda: has_ended(arena, run), LONG)
    before = (trainings.run_of(run.id).files, len(trainings.log_lines(run.job_id)), len(live(run)))
    os.killpg(zombie.pid, signal.SIGCONT)
    zombie.terminate()
    assert zombie.wait(timeout=30) == 0
    assert (arena.job(run.job_id).state, arena.job(run.job_id).attempt) == (JobState.SUCCEEDED, 2)
    assert (trainings.run_of(run.id).files, len(trainings.log_lines(run.job_id)), len(live(run))) == before
    assert all("/attempt-2/" in facts["stored"] for facts in trainings.run_of(run.id).files.values())
    assert "lease_lost" in arena.logs()
    assert children() == []


def test_a_disk_that_fills_while_saving_fails_clearly_and_the_last_checkpoint_is_whole(arena):
    run = trainings.enqueue(epochs=40)
    (arena.folder / "faults.json").write_text(json.dumps({f"{run.id}-1": [9, "full"]}))
    arena.trainer()
    arena.until(lambda: has_ended(arena, run), LONG)
    job, last = arena.job(run.job_id), live(run)[-1]
    assert job.state == JobState.FAILED
    assert job.error == (
        f"The worker's disk is full, and the training could not be saved. The checkpoint of step {last.step} is kept."
    )
    storage.read_folder(last.stored, manifest_sha256=last.manifest_sha256)
    assert trainings.run_of(run.id).result is None
    with TestClient(create_app(), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/readyz").status_code == 200


def test_two_trainings_do_not_starve_other_jobs(arena):
    arena.trainer(concurrency=2)
    arena.worker(concurrency=1)
    runs = [trainings.enqueue(epochs=1000) for _ in range(2)]
    arena.until(lambda: all(arena.job(run.job_id).phase == "training" for run in runs), LONG)
    with database.unit_of_work() as session:
        assert {device for _host, device in ledger_queries.held_devices(session)} == {"cpu-1", "cpu-2"}
    arena.let_go()
    others = [arena.enqueue() for _ in range(5)]
    arena.until(lambda: all(arena.job(job).state == JobState.SUCCEEDED for job in others), 30)
    assert all(arena.job(run.job_id).state == JobState.RUNNING for run in runs)
    with database.unit_of_work() as session:
        for run in runs:
            queue.request_cancel(session, run.job_id)
    arena.until(lambda: has_ended(arena, *runs), 30)
    assert children() == []


def bad_inputs(folder):
    """(what is wrong, options, rows to train on, what the sentence must say)."""
    pickled, foreign = folder / "pickled", folder / "foreign"
    for made in (pickled, foreign):
        made.mkdir()
    (pickled / "config.json").write_text('{"model_type": "bert"}')
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (foreign / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoModel": "code.Model"}}')
    rows = trainings.pairs(48, seed=1)
    return [
        ({}, [{**row, "p": 0.5} for row in rows], "one class only"),
        ({}, rows[:5], "fewer than one batch of 8"),
        ({}, [{**row, "weight": float("nan")} for row in rows], "no finite number"),
        ({"model": "no-such-model-anywhere"}, rows, "is unknown"),
        ({"model": str(pickled)}, rows, "can run any code"),
        ({"model": str(foreign)}, rows, "(trust_remote_code) is never run"),
        ({"trust_remote_code": True}, rows, "There is no option trust_remote_code"),
    ]


def test_bad_input_is_refused_with_a_sentence_and_nothing_is_promoted(arena, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cases = bad_inputs(arena.folder)
    arena.trainer(concurrency=2)
    runs = [trainings.enqueue(train=rows, **options) for options, rows, _said in cases]
    arena.until(lambda: has_ended(arena, *runs), LONG * 2)
    for run, (_options, _rows, said) in zip(runs, cases, strict=True):
        job = arena.job(run.job_id)
        assert (job.state, job.attempt) == (JobState.FAILED, 1), said
        assert said in job.error
        assert "scratch" not in job.error.replace("scratch and minilm", "")
        assert trainings.run_of(run.id).result is None
        assert trainings.run_of(run.id).files is None
    assert children() == []
