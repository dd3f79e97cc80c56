"""Device slots: no two attempts that run hold one, and no slot is lost with its holder."""

import subprocess

import pytest

from app import queue
from app.models import JobState
from app.training import devices, ledger, ledger_queries
from app.training.devices import Device
from tests.support import trainings
from workers.runner.environment import of_child
from workers.tasks.jobs import _take_needs

CARDS = (Device("gpu", "GPU-aaaa"), Device("gpu", "GPU-bbbb"))


@pytest.fixture
def machine(monkeypatch):
    """machine(name, ...) sets the devices that this machine has."""

    def has(*names):
        monkeypatch.setattr(devices, "of_this_machine", lambda: tuple(Device("here", name) for name in names))

    return has


@pytest.fixture
def claim(db):
    """claim(run) takes the run's job as a worker does; None when it waits."""

    def take(run):
        db.commit()
        return queue.claim(run.job_id, _take_needs)

    return take


def test_two_jobs_and_one_device_the_second_waits_and_spends_nothing(db, machine, claim):
    machine("cpu")
    first, second = trainings.make_run(db), trainings.make_run(db)
    held = claim(first)
    assert claim(second) is None
    waiting = db.get_one(queue.JobRow, second.job_id, populate_existing=True)
    assert (waiting.state, waiting.phase) == (JobState.QUEUED, "waiting_for_device")
    assert (waiting.attempt, waiting.failures) == (0, 0)
    queue.finish(held.id, held.attempt, JobState.FAILED, error="x")
    assert claim(second).attempt == 1


def test_two_cards_are_held_by_two_jobs(db, machine, claim):
    machine("cuda:0", "cuda:1")
    runs = [trainings.make_run(db) for _ in range(3)]
    claimed = [claim(run) for run in runs]
    assert claimed[2] is None
    held = [ledger_queries.device_of(db, job_id=job.id, attempt=job.attempt) for job in claimed[:2]]
    assert [device.visible for device in held] == ["0", "1"]
    assert [of_child({}, device)["CUDA_VISIBLE_DEVICES"] for device in held] == ["0", "1"]


def test_a_slot_is_free_once_its_attempt_is_not_the_running_one(db, machine, claim):
    machine("cpu")
    first, second = trainings.make_run(db), trainings.make_run(db)
    held = claim(first)
    queue.release(held.id, held.attempt)
    assert claim(second) is not None
    assert claim(first) is None


def test_devices_of_other_machines_are_not_in_the_way(db):
    run, other = trainings.make_run(db), trainings.make_run(db)
    db.commit()
    job = queue.claim(run.job_id)
    assert ledger.take_device(db, job_id=job.id, attempt=1, devices=[Device("one", "cpu")]) is not None
    queue.claim(other.job_id)
    assert ledger.take_device(db, job_id=other.job_id, attempt=1, devices=[Device("two", "cpu")]) is not None
    assert ledger.take_device(db, job_id=other.job_id, attempt=1, devices=[Device("one", "cpu")]) is None


@pytest.mark.parametrize(
    ("setting", "allowed", "installed", "found"),
    [
        ("", None, [], ["cpu"]),
        ("", None, ["GPU-a", "GPU-b"], ["GPU-a", "GPU-b"]),
        ("", "1", ["GPU-a", "GPU-b"], ["GPU-b"]),
        ("", "", ["GPU-a"], ["cpu"]),
        ("", "0,-1,1", ["GPU-a", "GPU-b"], ["GPU-a"]),
        ("", "MIG-x", ["GPU-a"], ["MIG-x"]),
        ("", "3", [], ["cuda:3"]),
        ("cuda:0, cuda:1", None, ["GPU-a"], ["cuda:0", "cuda:1"]),
    ],
)
def test_devices_are_found_without_torch(monkeypatch, setting, allowed, installed, found):
    def smi(*_given, **_options):
        if not installed:
            raise FileNotFoundError("nvidia-smi")
        return subprocess.CompletedProcess([], 0, stdout="\n".join(installed) + "\n")

    monkeypatch.setattr(devices.subprocess, "run", smi)
    monkeypatch.setattr(devices.settings(), "training_devices", setting)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert [device.name for device in devices.of_this_machine.__wrapped__()] == found


def test_a_card_known_by_its_own_number_is_the_same_in_every_container():
    assert devices._host("GPU-a") == devices._host("MIG-b") == "gpu"
    assert devices._host("cuda:0") == devices._host("cpu") != "gpu"
    assert [card.visible for card in CARDS] == ["GPU-aaaa", "GPU-bbbb"]
    assert not Device("here", "cpu").is_gpu
