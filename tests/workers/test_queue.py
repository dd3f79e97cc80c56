"""The job table as the truth: claims, leases, fences, retries; no broker and no process is needed for these."""

import time

import pytest
import sqlalchemy as sa

from app import queue
from app.errors import Conflict, Invalid, NotFound
from app.models import Job, JobState
from workers import schedule, shutdown
from workers.tasks import jobs, periodic
from workers.tasks.jobs import run_job

KIND = queue.Job.SEND_MAIL


@pytest.fixture
def job(db):
    row = queue.enqueue(db, KIND, {})
    db.commit()
    return row


@pytest.fixture
def handle(monkeypatch):
    """handle(function) makes it the handler of the tests' kind."""

    def handle(function):
        monkeypatch.setitem(jobs.HANDLERS, KIND, function)

    return handle


def again(db, job) -> Job:
    db.expire_all()
    return db.get_one(Job, job.id)


def let_lease_run_out(db):
    db.execute(sa.update(Job).values(lease_expires_at=sa.func.now() - sa.text("interval '1 second'")))
    db.commit()


def test_a_message_that_comes_five_times_gives_one_run(db, job, handle):
    runs = []
    handle(lambda job, _report: runs.append(job.attempt))
    for _ in range(5):
        run_job(job.id)
    assert runs == [1]
    assert again(db, job).state == JobState.SUCCEEDED


def test_the_same_key_gives_the_job_that_is_under_way(db):
    first = queue.enqueue(db, KIND, {"n": 1}, key="one")
    assert queue.enqueue(db, KIND, {"n": 2}, key="one").id == first.id
    queue.request_cancel(db, first.id)
    assert queue.enqueue(db, KIND, {"n": 3}, key="one").id != first.id


def test_a_claimed_job_is_nobody_elses(db, job):
    assert queue.claim(job.id).attempt == 1
    assert queue.claim(job.id) is None


def test_the_result_of_the_handler_is_kept(db, job, handle):
    handle(lambda _job, _report: {"rows": 3})
    run_job(job.id)
    done = again(db, job)
    assert (done.result, done.progress, done.lease_expires_at) == ({"rows": 3}, 1.0, None)
    assert done.finished_at is not None


def test_an_error_for_people_ends_the_job_with_its_sentence_and_details(db, job, handle):
    def refuse(_job, _report):
        error = Invalid("The file has %(n)d problems.", n=2)
        error.details = {"problems": [1, 2]}
        raise error

    handle(refuse)
    run_job(job.id)
    done = again(db, job)
    assert (done.state, done.error, done.failures) == (JobState.FAILED, "The file has 2 problems.", 0)
    assert done.result == {"problems": [1, 2]}


def test_a_fault_is_tried_again_later_and_given_up_after_three(db, job, handle):
    def fail(_job, _report):
        raise RuntimeError("secret text of a row")

    handle(fail)
    run_job(job.id)
    waiting = again(db, job)
    assert (waiting.state, waiting.failures) == (JobState.QUEUED, 1)
    assert waiting.available_at > waiting.created_at
    assert "RuntimeError" in waiting.message
    assert "secret" not in waiting.message
    assert queue.claim(job.id) is None
    for _ in range(2):
        db.execute(sa.update(Job).values(available_at=sa.func.now()))
        db.commit()
        run_job(job.id)
    assert (again(db, job).state, again(db, job).failures) == (JobState.FAILED, 3)


def test_a_silent_worker_loses_its_job_to_the_next(db, job):
    claimed = queue.claim(job.id)
    assert queue.reap() == 0
    let_lease_run_out(db)
    assert queue.reap() == 1
    assert (again(db, job).state, again(db, job).failures) == (JobState.QUEUED, 1)
    successor = queue.claim(job.id)
    assert successor.attempt == claimed.attempt + 1
    with pytest.raises(queue.LostLease):
        queue.heartbeat(job.id, claimed.attempt)
    with pytest.raises(queue.LostLease):
        queue.report(job.id, claimed.attempt, progress=0.9)
    with pytest.raises(queue.LostLease):
        queue.fence(db, job.id, claimed.attempt)
    queue.finish(job.id, claimed.attempt, JobState.SUCCEEDED, result={"by": "zombie"})
    assert (again(db, job).state, again(db, job).result) == (JobState.RUNNING, None)
    queue.fence(db, job.id, successor.attempt)


def test_three_silent_workers_end_the_job_with_a_reason(db, job):
    for _ in range(3):
        queue.claim(job.id)
        let_lease_run_out(db)
        queue.reap()
    done = again(db, job)
    assert done.state == JobState.FAILED
    assert "three times" in done.error


def test_a_silent_worker_of_a_cancelled_job_is_not_replaced(db, job):
    queue.claim(job.id)
    queue.request_cancel(db, job.id)
    let_lease_run_out(db)
    queue.reap()
    assert again(db, job).state == JobState.CANCELLED


def test_a_heartbeat_renews_the_lease(db, job):
    claimed = queue.claim(job.id)
    let_lease_run_out(db)
    assert queue.heartbeat(job.id, claimed.attempt) is False
    assert queue.reap() == 0


def test_cancelling_stops_the_work_at_its_next_report(db, job, handle):
    def work(job, report):
        queue.request_cancel(db, job.id)
        db.commit()
        report(progress=0.5)
        raise AssertionError("not reached")

    handle(work)
    run_job(job.id)
    assert again(db, job).state == JobState.CANCELLED


def test_cancelling_needs_a_job_that_goes_on(db, job):
    queue.request_cancel(db, job.id)
    db.commit()
    with pytest.raises(Conflict):
        queue.request_cancel(db, job.id)
    with pytest.raises(NotFound):
        queue.request_cancel(db, 10**9)


def test_a_worker_told_to_stop_hands_the_job_back(db, job, handle, monkeypatch):
    def work(_job, report):
        monkeypatch.setattr(shutdown, "is_asked", lambda: True)
        report(progress=0.5)

    handle(work)
    run_job(job.id)
    back = again(db, job)
    assert (back.state, back.failures, back.lease_expires_at) == (JobState.QUEUED, 0, None)
    run_job(job.id)
    assert again(db, job).attempt == 1


def test_a_sweep_sends_what_was_lost_and_no_more_than_that(db, job, monkeypatch):
    messages, sent = {"default": 0}, []

    class Broker:
        def send_task(self, _name, args, queue):
            sent.append((args, queue))

    monkeypatch.setattr(queue, "messages_in", lambda name: messages[name])
    monkeypatch.setattr(queue, "broker", Broker)
    assert queue.sweep() == 0
    assert queue.sweep(older_than=-1) == 1
    assert sent == [([job.id], "default")]
    messages["default"] = 1
    assert queue.sweep(older_than=-1) == 0
    queue.claim(job.id)
    messages["default"] = 0
    assert queue.sweep(older_than=-1) == 0


def test_wake_ups_die_with_a_rollback(db, monkeypatch):
    sent = []
    monkeypatch.setattr(queue, "wake_up", lambda job_id, _queue: sent.append(job_id))
    queue.enqueue(db, KIND, {})
    db.rollback()
    db.commit()
    assert sent == []
    queue.enqueue(db, KIND, {})
    db.commit()
    assert len(sent) == 1


def test_a_broker_that_is_away_costs_a_request_next_to_nothing(db, monkeypatch):
    monkeypatch.setattr(queue.settings(), "redis_url", "redis://127.0.0.1:1/0")
    queue.broker.cache_clear()
    begun = time.perf_counter()
    job = queue.enqueue(db, KIND, {})
    db.commit()
    assert time.perf_counter() - begun < 2
    assert again(db, job).state == JobState.QUEUED
    queue.broker.cache_clear()


def test_only_attempts_without_a_checkpoint_count(db, job):
    for number in range(1, 6):
        assert queue.claim(job.id).attempt == number
        if number in (2, 5):
            queue.made_checkpoint(db, job.id, number)
            db.commit()
        let_lease_run_out(db)
        queue.reap()
        assert again(db, job).failures == {1: 1, 2: 0, 3: 1, 4: 2, 5: 0}[number]
    for _ in range(3):
        assert again(db, job).state == JobState.QUEUED
        queue.claim(job.id)
        let_lease_run_out(db)
        queue.reap()
    assert again(db, job).state == JobState.FAILED


def test_a_zombie_cannot_note_a_checkpoint(db, job):
    queue.claim(job.id)
    queue.release(job.id, 1)
    queue.claim(job.id)
    with pytest.raises(queue.LostLease):
        queue.made_checkpoint(db, job.id, 1)


def test_a_fault_with_a_sentence_is_tried_again_with_it(db, job, handle):
    def fail(_job, _report):
        raise queue.TryAgain("The training process was ended by signal 9.")

    handle(fail)
    run_job(job.id)
    waiting = again(db, job)
    assert (waiting.state, waiting.message) == (JobState.QUEUED, "The training process was ended by signal 9.")


def test_what_waits_for_something_is_not_begun(db, job):
    assert queue.claim(job.id, lambda _session, _job: "waiting_for_device") is None
    assert (again(db, job).state, again(db, job).attempt) == (JobState.QUEUED, 0)
    assert again(db, job).phase == "waiting_for_device"
    assert queue.claim(job.id, lambda _session, _job: None).attempt == 1


def test_a_place_in_the_line_counts_what_runs_and_what_waits_before(db, job):
    others = [queue.enqueue(db, KIND, {}) for _ in range(3)]
    db.commit()
    queue.claim(job.id)
    places = queue.places_in_line(db, [job.id, others[0].id, others[2].id])
    assert places == {job.id: (1, 0), others[0].id: (1, 0), others[2].id: (1, 2)}
    assert queue.places_in_line(db, []) == {}


def test_a_tick_asked_for_thrice_is_one_job_even_after_it_has_ended(db):
    first = queue.enqueue_tick(db, queue.Job.PURGE, seconds=3600)
    db.commit()
    assert queue.enqueue_tick(db, queue.Job.PURGE, seconds=3600) is None
    run_job(first.id)
    assert again(db, first).state == JobState.SUCCEEDED
    assert queue.enqueue_tick(db, queue.Job.PURGE, seconds=3600) is None
    assert queue.enqueue_tick(db, queue.Job.PURGE, seconds=7200) is not None


def test_what_the_schedule_asks_for_are_jobs():
    for entry in schedule.SCHEDULE.values():
        assert (entry["task"], entry["options"]["queue"]) == (periodic.tick.name, "default")
        assert queue.Job(entry["args"][0]) in jobs.HANDLERS
        assert entry["args"][1] == entry["schedule"]
