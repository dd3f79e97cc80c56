"""`accelerate launch` with two processes, each on its half of every batch, is one run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.workers.algorithms.runs import steps, weights
from tests.workers.training import tiny

pytestmark = pytest.mark.training
ROOT = str(Path(__file__).resolve().parents[3])


def launched(algorithm, n_processes, out, **options):
    """The events of a run, all said by one process."""
    values = {
        "batch_size": 8,
        "epochs": 1,
        "learning_rate": 1e-2,
        "max_length": 64,
        "log_every": 1,
        "evaluations_per_epoch": 2,
        "device": "cpu",
        "threads": 1,
        "out": out,
        **options,
    }
    words = [word for name, value in values.items() for word in ("--" + name.replace("_", "-"), str(value))]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1", "--mixed_precision"]
    port = ["no", "--dynamo_backend", "no", "--main_process_port", "0"]
    count = ["--num_processes", str(n_processes), "--num_cpu_threads_per_process", "1"]
    single = [sys.executable, "-m", f"workers.algorithms.{algorithm}"]
    command = [*launch, *port, *count, "-m", f"workers.algorithms.{algorithm}"] if n_processes > 1 else single
    done = subprocess.run(
        [*command, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("algorithm", "more"),
    [
        ("dpo", {}),
        ("sft", {"answers": "chosen"}),
        ("reward_model", {}),
        ("reward_model", {"rankings": "plackett_luce", "center": 0.05}),
    ],
    ids=["dpo", "sft", "reward_model", "rankings"],
)
def test_a_batch_of_8_is_two_processes_of_4(algorithm, more, tmp_path):
    """27 rows: the last batch has three, so that the processes have different shares."""
    rows = tiny.ranked_rows if "rankings" in more else tiny.rows
    options = {
        "data": tiny.write(tmp_path / "train.jsonl", rows(27, seed=1)),
        "eval_data": tiny.write(tmp_path / "eval.jsonl", rows(11, seed=2)),
        "model": tiny.causal(tmp_path / "base", template=True),
        **more,
    }
    one = launched(algorithm, 1, tmp_path / "one", **options)
    two = launched(algorithm, 2, tmp_path / "two", **options)
    assert [event["event"] for event in two] == [event["event"] for event in one]
    names = [name for name, value in steps(one)[0].items() if isinstance(value, float)]
    names = [
        name
        for name in names
        if name not in ("seconds_left", "pairs_per_second", "rows_per_second", "tokens_per_second")
    ]
    for left, right in zip(steps(one), steps(two), strict=True):
        assert left["num_tokens"] == pytest.approx(right["num_tokens"], rel=0.2)  # prompts are shared by whom they meet
        for name in names:
            assert right[name] == pytest.approx(left[name], rel=1e-3, abs=1e-4), (name, left["step"])
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-4, rtol=1e-3)
    assert two[-1]["eval_loss"] == pytest.approx(one[-1]["eval_loss"], rel=1e-4)
