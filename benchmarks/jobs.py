"""Training jobs under faults: killed children end bit-identical, killed workers are replaced, cancelling is obeyed.

Real workers with the settings of production on a throw-away database and broker; the trainings are tiny models from
scratch on processors, so that the figures are those of the protocol.
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from app import database, queue
from app.models import JobState, TrainingRun
from tests.support import trainings
from tests.support.workers import Arena, arena
from tests.workers.test_training_job import children

KILLED_RUNS = 10
PHASES = ("fetching", "starting", "reading", "loading", "tokenising", "training", "training", "saving")
OTHER_JOBS = 20
SETTINGS = {
    "ACCORD_JOB_LEASE_SECONDS": "60",
    "ACCORD_JOB_HEARTBEAT_SECONDS": "5",
    "ACCORD_SWEEP_SECONDS": "5",
    "ACCORD_TRAINING_THREADS": "1",
    "ACCORD_TRAINING_DEVICES": "cpu-1,cpu-2",
}


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for one in (killed_children, killed_worker, cancelled, others_beside_trainings):
        figures.update(in_arena(one))
        print(json.dumps({name: figures[name] for name in list(figures)[-3:]}), flush=True)
    return figures


def in_arena(one: Callable[[Arena], dict[str, Any]]) -> dict[str, Any]:
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with arena(Path(folder), patch, "master", TEST_FAULTS=folder, **SETTINGS) as made:
                return one(made)
        finally:
            patch.undo()


def ended(made: Arena, *runs: TrainingRun) -> bool:
    return all(made.job(run.job_id or 0).state not in queue.ACTIVE for run in runs)


def killed_children(made: Arena) -> dict[str, Any]:
    """Ten runs, each with its child killed at a random step, beside one that nobody disturbs."""
    whole, *killed = [trainings.enqueue() for _ in range(1 + KILLED_RUNS)]
    steps = {f"{run.id}-1": [random.randint(1, trainings.STEPS), "kill"] for run in killed}
    (made.folder / "faults.json").write_text(json.dumps(steps))
    made.beat()
    made.trainer(concurrency=2)
    made.until(lambda: ended(made, whole, *killed), 1800)
    expected = trainings.weights(trainings.run_of(whole.id))
    same = [trainings.weights(trainings.run_of(run.id)) == expected for run in killed]
    return {
        "killed_runs": len(same),
        "killed_at_steps": [step for step, _ in steps.values()],
        "attempts": [made.job(run.job_id or 0).attempt for run in killed],
        "bit_identical": sum(same),
    }


def killed_worker(made: Arena) -> dict[str, Any]:
    """Seconds from the SIGKILL of a worker until its training runs again on another."""
    worker = made.trainer()
    made.beat()
    run = trainings.enqueue(epochs=2000)
    made.until(lambda: trainings.checkpoints(run.id), 300)
    os.killpg(worker.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    made.trainer()
    made.until(lambda: made.job(run.job_id or 0).attempt == 2, 200)
    again = time.monotonic() - killed_at
    cancel(run)
    made.until(lambda: ended(made, run), 60)
    return {"running_again_s": round(again, 1), "failures_counted": made.job(run.job_id or 0).failures}


def cancelled(made: Arena) -> dict[str, Any]:
    """Seconds from the request to the end of the job, with the phase in which it was made, and processes left."""
    made.trainer(concurrency=1)
    found = []
    for wanted in PHASES:
        epochs = 1 if wanted == "saving" else 100
        run = trainings.enqueue(train=trainings.pairs(4000, seed=1), epochs=epochs, checkpoint_every=1000)
        job_id = run.job_id or 0
        later = PHASES[PHASES.index(wanted) :]  # one that is over in an instant may be missed
        made.until(lambda job_id=job_id, later=later: made.job(job_id).phase in later, 300)
        phase, asked_at = made.job(job_id).phase, time.monotonic()
        cancel(run)
        made.until(lambda run=run: ended(made, run), 120)
        found.append({"phase": phase, "seconds": round(time.monotonic() - asked_at, 1), "left": len(children())})
    return {"cancelled": found, "cancelled_slowest_s": max(one["seconds"] for one in found)}


def others_beside_trainings(made: Arena) -> dict[str, Any]:
    """Seconds from enqueueing to the end of small jobs while two trainings compute on all processors."""
    made.trainer(concurrency=2)
    made.worker(concurrency=1)
    made.let_go()
    runs = [trainings.enqueue(epochs=2000) for _ in range(2)]
    made.until(lambda: all(made.job(run.job_id or 0).phase == "training" for run in runs), 300)
    seconds = []
    for _ in range(OTHER_JOBS):
        begun, job_id = time.monotonic(), made.enqueue()
        made.until(lambda job_id=job_id: made.job(job_id).state == JobState.SUCCEEDED, 60)
        seconds.append(time.monotonic() - begun)
    for run in runs:
        cancel(run)
    made.until(lambda: ended(made, *runs), 60)
    return {
        "other_jobs": OTHER_JOBS,
        "other_median_s": round(median(seconds), 2),
        "other_worst_s": round(max(seconds), 2),
    }


def cancel(run: TrainingRun) -> None:
    with database.unit_of_work() as session:
        queue.request_cancel(session, run.job_id or 0)
