"""DPO and reward models beside TRL 1.16, one thread: pairs a second, start-up, memory and loss, same weights and pairs.

Two sets of real pairs: conversations whose last answer was judged, each in one pair, and arguments that were compared
with many others (a tournament). The Llama that `--model scratch` makes, 32-bit floats, one thread, AdamW at one rate.
TRL runs at its defaults (but for bf16, so that all compute in the same numbers) and at its best: gradient checkpointing
off, rows grouped by length, DPO's reference computed before. The arms run one after the other, again and again, each in
a fresh process, and are compared within each round. Every arm reads each pair once, in an order of its own, so losses
are compared by their means over thirds of the run; where they part by more than `TOLERANCE` the benchmark ends.
Where torch finds a GPU, all arms use it, in bf16, TRL with flash attention if it is installed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._trainer_pairs import SETS, Race, Row, prepare

ALGORITHMS = ("dpo", "reward_model")
ARMS = ("accord", "trl-best", "trl-defaults")
RACE = Race(
    batch=4,
    warmup=10,
    steps=int(os.environ.get("ACCORD_BENCH_STEPS", "100")),
    max_length=192,
    width=int(os.environ.get("ACCORD_BENCH_WIDTH", "128")),
)
REPEATS = int(os.environ.get("ACCORD_BENCH_REPEATS", "3"))
TOLERANCE = 0.05
"""Between the mean losses of two arms over a third of a run: other pairs fall into it, in another order."""
Figures = dict[str, Any]
Runs = dict[str, list[Figures]]


def measure() -> Figures:
    from workers.training import scratch

    size = {"layers": scratch.CAUSAL_LAYERS, "vocabulary": scratch.VOCABULARY}
    settings = {**dataclasses.asdict(RACE), "repeats": REPEATS, **size}
    versions = {name: version(name) for name in ("torch", "transformers", "trl", "accelerate", "datasets")}
    found: Figures = {"settings": settings, "loss_tolerance": TOLERANCE, "libraries": versions}
    for algorithm in ALGORITHMS:
        found[algorithm] = {name: raced(algorithm, rows(), RACE, repeats=REPEATS) for name, rows in SETS.items()}
    for algorithm in ALGORITHMS:
        for name, figures in found[algorithm].items():
            print(f"\n{algorithm}, {name}: tokens of prompt and completion (medians) {figures['tokens']}")
            print(table(figures["arms"]))
    return found


def raced(algorithm: str, rows: list[Row], race: Race, *, repeats: int) -> Figures:
    runs: Runs = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory(prefix="accord-bench-") as place:
        folder = Path(place)
        lengths = prepare(folder, rows, race, algorithm=algorithm)
        for _ in range(repeats):
            for arm in ARMS:
                runs[arm].append(run(algorithm, arm, folder, race))
                print(f"{algorithm} {arm:13} {runs[arm][-1]}", flush=True)
            check_losses(runs)
    return {"tokens": lengths, "arms": {arm: summary(runs, arm) for arm in ARMS}, "runs": runs}


def run(algorithm: str, arm: str, folder: Path, race: Race) -> Figures:
    for name in ("accord", "trl"):
        shutil.rmtree(folder / name, ignore_errors=True)
    words = [algorithm, arm, folder, race.batch, race.warmup, race.steps, race.max_length]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._trainer_arm", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def check_losses(runs: Runs) -> None:
    """Of the last round: faster arithmetic that learns something else would be no win."""
    ours = runs["accord"][-1]["mean_loss_by_third"]
    for arm in ARMS[1:]:
        theirs = runs[arm][-1]["mean_loss_by_third"]
        if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > TOLERANCE:
            raise SystemExit(f"Losses part by more than {TOLERANCE}: accord {ours}, {arm} {theirs}.")


def summary(runs: Runs, arm: str) -> Figures:
    """Of one arm over the rounds; `times_as_fast` is Accord's speed over its, round by round."""
    found = runs[arm]

    def median(name: str) -> float:
        return round(statistics.median(each[name] for each in found), 2)

    figures = {
        name: spread([each[name] for each in found]) for name in ("pairs_per_second", "pairs_per_processor_second")
    }
    for times, name in (("times_as_fast", "pairs_per_second"), ("times_by_processor", "pairs_per_processor_second")):
        figures[times] = spread([ours[name] / each[name] for ours, each in zip(runs["accord"], found, strict=True)])
    memory = {name: max(each[name] for each in found) for name in found[0] if name.startswith("peak_")}
    losses = zip(*(each["mean_loss_by_third"] for each in found), strict=True)
    return {
        **figures,
        **{name: median(name) for name in ("seconds_of_start", "seconds_of_reference", "seconds_in_total")},
        **memory,
        "mean_loss_by_third": [round(statistics.mean(each), 4) for each in losses],
    }


def spread(values: list[float]) -> dict[str, float]:
    figures = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, 2) for name, value in figures.items()}


def table(arms: dict[str, Figures]) -> str:
    """Speeds and ratios as median (lowest to highest); a ratio is Accord's speed over the arm's."""
    title = ("arm", "pairs/s", "Accord is", "of processor time", "start s", "reference s", "total s", "MiB", "loss")
    lines: list[tuple[str, ...]] = [title]
    for arm, figures in arms.items():
        speed, times, busy = (
            "{median:g} ({lowest:g} to {highest:g})".format(**figures[name])
            for name in ("pairs_per_second", "times_as_fast", "times_by_processor")
        )
        seconds = (figures[f"seconds_{name}"] for name in ("of_start", "of_reference", "in_total"))
        memory = figures.get("peak_gpu_memory_mib", figures["peak_memory_mib"])
        losses = " ".join(f"{loss:.3f}" for loss in figures["mean_loss_by_third"])
        ratios = ("-", "-") if arm == ARMS[0] else (f"x {times}", f"x {busy}")
        lines.append((arm, speed, *ratios, *(f"{each:.1f}" for each in seconds), f"{memory:,}", losses))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
