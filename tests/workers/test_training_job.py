"""A training through real workers: it runs once, ends with a result, and leaves nothing behind."""

import pytest

from app import storage
from app.models import JobState
from tests.support import trainings
from tests.support.workers import arena as make_arena

pytestmark = pytest.mark.faults


@pytest.fixture
def arena(tmp_path, monkeypatch, worker_id):
    quick = {"ACCORD_TRAINING_NICE": "0", "ACCORD_TRAINING_THREADS": "1", "ACCORD_JOB_LEASE_SECONDS": "6"}
    with make_arena(tmp_path, monkeypatch, worker_id, **quick) as made:
        yield made


def test_a_training_ends_with_a_model_its_card_and_its_curve(arena):
    arena.trainer()
    run = trainings.enqueue()
    arena.until(lambda: arena.job(run.job_id).state not in ("queued", "running"), 120)
    job = arena.job(run.job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    done = trainings.run_of(run.id)
    assert done.result["steps"] == trainings.STEPS
    assert done.result["eval_accuracy"] > 0.7
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md", "metrics.json"} <= set(done.files)
    with storage.open_stored(done.files["README.md"]["stored"]) as card:
        assert trainings.content_hash_of(run) in card.read().decode()
    assert [row.step for row in trainings.metrics(run.job_id)] == list(range(1, trainings.STEPS + 1))
    assert trainings.metrics(run.job_id, "evaluation")[0].values["eval_loss"] > 0
    kept = [row for row in trainings.checkpoints(run.id) if row.removed_at is None]
    assert kept[-1].step == trainings.STEPS
    assert 2 <= len(kept) <= 3
    stored = storage.settings().data_dir / "artifacts" / "runs"
    assert sorted(path.name for path in (stored / str(run.id) / "attempt-1").iterdir()) == sorted(
        ["result", *(row.stored.rpartition("/")[2] for row in kept)]
    )
    assert list((storage.settings().data_dir / "scratch").iterdir()) == []
