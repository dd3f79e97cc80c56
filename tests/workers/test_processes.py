"""Real workers, a real broker, and what goes wrong with them: every job still runs, and its outcome is written once."""

import os
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import database, queue, storage
from app.models import JobState, Prompt, Task
from tests.support.factories import Factory
from tests.support.workers import arena as make_arena
from tests.support.workers import empty_broker, forget

pytestmark = pytest.mark.faults


@pytest.fixture
def arena(tmp_path, monkeypatch, worker_id):
    with make_arena(tmp_path, monkeypatch, worker_id) as made:
        yield made


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_message_that_comes_five_times_gives_one_run(arena):
    arena.worker(concurrency=3)
    job_id = arena.enqueue()
    for _ in range(4):
        queue.wake_up(job_id, "default")
    arena.until(arena.runs)
    arena.let_go()
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
    arena.until(lambda: queue.messages_in("default") == 0)
    other = arena.enqueue()
    arena.until(lambda: arena.job(other).state == JobState.SUCCEEDED)
    assert [job for job, _pid, _attempt in arena.runs()] == [job_id, other]
    assert arena.outcomes() == [1, 1]


def test_lost_messages_are_sent_again_by_beat(arena):
    job_ids = [arena.enqueue() for _ in range(20)]
    empty_broker()
    arena.let_go()
    arena.worker()
    for _ in range(3):
        arena.beat()
    arena.until(lambda: all(arena.job(job_id).state == JobState.SUCCEEDED for job_id in job_ids))
    assert sorted(job for job, *_ in arena.runs()) == job_ids
    assert len(arena.outcomes()) == 20


def test_three_schedulers_give_one_job_a_tick(arena, monkeypatch):
    monkeypatch.setenv("TEST_TICK_SECONDS", "2")
    arena.worker()
    for _ in range(3):
        arena.beat()
    arena.until(lambda: len(arena.keys(queue.Job.PURGE)) >= 4)
    keys = arena.keys(queue.Job.PURGE)
    assert len(keys) == len(set(keys))


def test_told_to_stop_a_worker_hands_its_job_back_and_spends_no_attempt(arena):
    worker = arena.worker(concurrency=1)
    job_id = arena.enqueue()
    arena.until(lambda: arena.job(job_id).phase == "holding")
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    job = arena.job(job_id)
    assert (job.state, job.failures, arena.outcomes()) == (JobState.QUEUED, 0, [])
    arena.let_go()
    arena.worker(concurrency=1)
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
    assert arena.outcomes() == [2]


def test_a_killed_worker_leaves_no_child_and_its_job_runs_again(arena):
    worker = arena.worker(concurrency=1)
    job_id = arena.enqueue()
    arena.until(arena.runs)
    [(_, child, _)] = arena.runs()
    assert child != worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    arena.until(lambda: not is_alive(child), 5)
    arena.let_go()
    arena.beat()
    arena.worker(concurrency=1)
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
    assert (arena.outcomes(), arena.job(job_id).failures) == ([2], 1)


def test_a_killed_child_is_replaced_and_its_job_runs_again(arena):
    arena.worker(concurrency=1)
    arena.beat()
    job_id = arena.enqueue()
    arena.until(arena.runs)
    os.kill(arena.runs()[0][1], signal.SIGKILL)
    arena.let_go()
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
    assert arena.outcomes() == [2]


def test_a_paused_zombies_outcome_is_refused(arena):
    worker = arena.worker(concurrency=1)
    job_id = arena.enqueue()
    arena.until(arena.runs)
    zombie = arena.runs()[0][1]
    os.kill(zombie, signal.SIGSTOP)
    arena.beat()
    arena.worker(concurrency=1)
    arena.until(lambda: len(arena.runs()) == 2)
    arena.let_go()
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
    os.kill(zombie, signal.SIGCONT)
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    assert arena.outcomes() == [2]
    assert arena.job(job_id).result == {"attempt": 2}


def test_a_running_job_is_cancelled_between_its_steps(arena):
    arena.worker(concurrency=1)
    job_id = arena.enqueue()
    arena.until(lambda: arena.job(job_id).phase == "holding")
    with database.unit_of_work() as session:
        queue.request_cancel(session, job_id)
    arena.until(lambda: arena.job(job_id).state == JobState.CANCELLED, 5)
    assert arena.outcomes() == []


def test_an_import_whose_worker_is_killed_runs_again_and_doubles_nothing(arena):
    rows = 6000
    with database.unit_of_work() as session:
        project_id = Factory(session).project().id
    source = arena.folder / "rows.jsonl"
    source.write_text(
        "".join(
            f'{{"task_id": "t{n}", "prompt": "Question {n}?", "responses": ["Yes {n}", "No {n}"], '
            f'"votes": [{{"annotator": "w{n % 50}", "choice": "response_a"}}]}}\n'
            for n in range(rows)
        )
    )
    with source.open("rb") as stream:
        stored, file_hash, _size = storage.save_stream("imports", stream, max_bytes=10**9)
    payload = {"stored": stored, "filename": "rows.jsonl", "file_hash": file_hash, "options": {}, "n_rows": rows}
    worker = arena.worker(concurrency=1)
    with database.unit_of_work() as session:
        job_id = queue.enqueue(session, queue.Job.IMPORT_TASKS, payload, project_id=project_id).id
    arena.until(lambda: 0 < arena.job(job_id).progress < 0.9)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    arena.beat()
    arena.worker(concurrency=1)
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED, 60)
    with database.unit_of_work() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Prompt)) == rows
        assert session.scalar(sa.select(sa.func.sum(Task.n_counted))) == rows
    assert arena.job(job_id).attempt == 2
    assert arena.job(job_id).result["counts"]["tasks"] == rows


def test_a_broker_that_is_away_loses_no_job(arena, monkeypatch):
    address = os.environ["REDIS_URL"]
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody listens there
    forget()
    job_id = arena.enqueue()
    assert arena.job(job_id).state == JobState.QUEUED
    assert queue.sweep(older_than=0) == 0
    monkeypatch.setenv("REDIS_URL", address)
    forget()
    arena.let_go()
    arena.worker()
    arena.beat()
    arena.until(lambda: arena.job(job_id).state == JobState.SUCCEEDED)
