"""The training process: `python -m workers.child ALGORITHM`, started by workers.runner in the run's own folder; an
evaluation is such a process too.

The first line on standard input is a JSON object: `options` by the names of the algorithm's Config, `nice`, and
`silence_seconds`. Each later line says that the job's lease was renewed; without one for that long, or when the pipe
closes, the process ends itself and all it started, since another attempt may run by then. What it reports is one JSON
object a line; the exit codes stand in workers/training/errors.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import select
import signal
import sys
import threading
from typing import Any

from workers.training import command
from workers.training.errors import BadInput
from workers.training.options import from_values
from workers.training.report import Report, to_stream
from workers.training.stopping import ShouldStop, on_signals

# What is no algorithm of its own: a trained model is measured.
MEASURES = {
    "evaluation": "workers.training.evaluation.command",
    "policies": "workers.training.evaluation.policies",
}
PACKAGES = {"torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "accelerate", "peft"}


def main(algorithm: str) -> int:
    should_stop = on_signals()  # before the imports, which take seconds
    spec = json.loads(sys.stdin.readline())
    watch = threading.Thread(target=die_in_silence, args=[spec["silence_seconds"]], name="lease", daemon=True)
    watch.start()
    if spec["nice"]:
        os.nice(spec["nice"])
    return command.conclude(lambda report: run(algorithm, spec["options"], report, should_stop), to_stream())


def run(algorithm: str, options: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    name = MEASURES.get(algorithm, f"workers.algorithms.{algorithm}")
    if not re.fullmatch(r"[a-z_]+", algorithm) or not importlib.util.find_spec(name):
        raise BadInput(f"There is no algorithm {algorithm}.")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise BadInput(
            f"This worker cannot train: its Python has no {error.name}. Install it there: pip install 'accord[train]'"
        ) from error
    work = module.measure if algorithm in MEASURES else module.train
    result: dict[str, Any] = work(from_values(module.Config, options), report, should_stop)
    return result


def die_in_silence(seconds: float) -> None:
    """End the whole group once no line has come for `seconds`, or none can come any more."""
    source = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([source], [], [], seconds)
        if not ready or not os.read(source, 4096):
            os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
