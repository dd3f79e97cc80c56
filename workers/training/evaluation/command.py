"""Reward models measured on any file of pairs, from the command line: a table to read, and JSON in the last line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from workers.training import command, device, models, options, safety
from workers.training.checkpoint import MANIFEST
from workers.training.data import Pair, check_trainable, read_pairs
from workers.training.encoding import Encoder
from workers.training.errors import BadInput
from workers.training.evaluation import best_of, comparison, table, yardsticks
from workers.training.evaluation.accuracy import details, evaluate
from workers.training.evaluation.meter import Meter
from workers.training.evaluation.scoring import score_pairs
from workers.training.report import Report, to_stream
from workers.training.stopping import ShouldStop, never, on_signals

Floats = NDArray[np.float64]
UNKNOWN_LENGTH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    model: str
    """The reward model: a folder, or a name on the hub. Only safetensors, no remote code."""
    data: Path | None = None
    """Pairs as JSON lines: prompt, chosen, rejected, and p, n_votes, prompt_cluster and what they are sliced by."""
    train_data: Path | None = None
    """The pairs the model was trained on, to fit the baselines on: length, surface and words."""
    against: str | None = None
    """Another reward model, compared on the same pairs."""
    best_of_4: Path | None = None
    """Sets as JSON lines: prompt, chosen (a list of one) and rejected (a list of three), as in RewardBench 2."""
    out: Path | None = None
    """A file for the result as JSON, the same as in the last line."""
    criterion: str = ""
    """Use only the rows of this criterion; needed where the data speaks of several."""
    base_agreement: float | None = None
    """How often two annotators take the same side, for the noise ceiling; without it, read off the soft labels."""
    temperature_share: float = yardsticks.TEMPERATURE_SHARE
    """The share of the pairs, in whole prompt clusters, that the temperature is fitted on; the rest judges it."""
    max_length: int = 0
    """Tokens of prompt and response together; 0 takes the length the model was trained with, or 256."""
    against_max_length: int = 0
    """The same for the model of --against."""
    batch_size: int = 32
    """Sequences that are read at once."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes the network in 16-bit brain floats."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    threads: int = 0
    """Processor threads for torch; 0 leaves it to torch."""
    seed: int = 0
    """Decides the bootstrap, the simulated labels and the split for the temperature."""


class Model:
    """A reward model that gives scores to pairs."""

    def __init__(self, name: str, config: Config, place: torch.device, meter: Meter, *, max_length: int) -> None:
        self.scorer, self.meter = load_reward_model(name), meter
        self.max_length = max_length or trained_length(Path(name)) or UNKNOWN_LENGTH
        safety.check_capacity(self.scorer.model, self.scorer.tokenizer, self.max_length, base=self.scorer.base)
        self.scorer.model.to(place)
        self.config, self.device, self.scale = config, place, log_odds_scale(Path(name))
        self.n_cut = 0

    def scores(self, pairs: list[Pair]) -> Floats:
        """(pairs, 2) of chosen and rejected, on the scale of log-odds; `n_cut` adds up the distinct sequences cut."""
        encoded = Encoder(self.scorer, max_length=self.max_length).encode(pairs)
        self.n_cut += encoded.n_prompts_cut + encoded.n_responses_cut
        found = score_pairs(
            self.scorer,
            encoded,
            batch_size=self.config.batch_size,
            device=self.device,
            precision=torch.bfloat16 if self.config.precision == "bf16" else torch.float32,
            between=self.meter.over(len({*encoded.chosen, *encoded.rejected}), self.config.batch_size),
        )
        if not np.isfinite(found).all():
            raise BadInput(f"The model {self.scorer.base} gives scores that are no numbers.")
        return found * self.scale


def load_reward_model(name: str) -> models.Scorer:
    """As for training, but its head must be there: a new one would give scores drawn by chance."""
    if name in ("scratch", "minilm"):
        raise BadInput(f"{name} is what a reward model is trained from. Give a trained one: the folder of a run.")
    scorer = models.load(name, texts=(), max_length=UNKNOWN_LENGTH, dropout=0.0)
    architectures = scorer.model.config.architectures or []
    if not any(str(each).endswith("ForSequenceClassification") for each in architectures):
        raise BadInput(f"{name} has no head that gives scores, and is no reward model yet. Train it first.")
    return scorer


def trained_length(folder: Path) -> int | None:
    """The tokens that a run of ours was trained with, by its manifest; None for other models."""
    try:
        length = json.loads((folder / MANIFEST).read_text())["facts"]["identity"]["max_length"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return length if isinstance(length, int) and length > 0 else None


def log_odds_scale(folder: Path) -> float:
    """What scores are multiplied by so that differences are log-odds: the `score_scale` of a run of ours that
    normalised them (reference_answers.py), 1 for other models.
    """
    try:
        scale = json.loads((folder / "metrics.json").read_text())["score_scale"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1.0
    return float(scale) if isinstance(scale, int | float) and scale > 0 else 1.0


def measure(config: Config, report: Report, should_stop: ShouldStop = never) -> dict[str, Any]:
    """Everything that the options ask for, as one JSON object; `None` stands for what was not asked or cannot be."""
    started = time.monotonic()
    check_options(config)
    pairs = _pairs(config.data, config) if config.data else []
    train = _pairs(config.train_data, config) if config.train_data else []
    sets = best_of.read_sets(config.best_of_4) if config.best_of_4 else None
    shared = len({pair.prompt_cluster for pair in pairs} & {pair.prompt_cluster for pair in train})
    if shared:
        report({"event": "notice", "message": f"{shared} prompt clusters are in both files: baselines look too good."})
    place = device.choose(config.device, threads=config.threads)
    passes = bool(pairs) + (config.against is not None) + (sets is not None)
    meter = Meter(report, should_stop, parts=passes)
    model = Model(config.model, config, place, meter, max_length=config.max_length)
    result: dict[str, Any] = {"model": model.scorer.base, "max_length": model.max_length, "n_shared_clusters": shared}
    report({"event": "phase", "phase": "scoring"})
    if pairs:
        result |= of_pairs(pairs, model.scores(pairs), train, config, other=_other(pairs, config, place, meter))
    if sets is not None:
        result["best_of_4"] = best_of.measure(sets, model.scores(sets.pairs), seed=config.seed)
    return {**result, "n_cut": model.n_cut, "seconds": round(time.monotonic() - started, 1)}


def of_pairs(
    pairs: list[Pair], scores: Floats, train: list[Pair], config: Config, *, other: Callable[[], Floats] | None
) -> dict[str, Any]:
    """The figures of one file of pairs; `other` gives the scores of the model to compare with."""
    delta, seed = scores[:, 0] - scores[:, 1], config.seed
    beside = yardsticks.beside(
        train, pairs, scores, agreement=config.base_agreement, share=config.temperature_share, seed=seed
    )
    parts = {name: beside.pop(name) for name in ("noise_ceiling", "temperature", "baselines")}
    measured = evaluate(pairs, scores, seed=seed) | details(pairs, scores, seed=seed)
    found: dict[str, Any] = {"pairs": measured | beside, **parts, "against": None}
    if other is not None:
        theirs = other()
        found["against"] = {
            "model": config.against,
            **comparison.compare(pairs, delta, theirs[:, 0] - theirs[:, 1], seed=seed),
        }
    return found


def _other(pairs: list[Pair], config: Config, place: torch.device, meter: Meter) -> Callable[[], Floats] | None:
    """Late, so that the second model is in memory only when it reads."""
    against, length = config.against, config.against_max_length or config.max_length
    return None if against is None else lambda: Model(against, config, place, meter, max_length=length).scores(pairs)


def _pairs(path: Path, config: Config) -> list[Pair]:
    pairs = read_pairs(path, criterion=config.criterion).pairs
    check_trainable(path, pairs, batch_size=1, labels="soft")
    return pairs


def check_options(config: Config) -> None:
    if config.data is None and config.best_of_4 is None:
        raise BadInput("There is nothing to measure on: give --data, --best-of-4, or both.")
    for name, value in (("--against", config.against), ("--train-data", config.train_data)):
        if value is not None and config.data is None:
            raise BadInput(f"{name} needs --data, the pairs to measure on.")
    if config.base_agreement is not None and not 0.5 < config.base_agreement < 1:
        raise BadInput("--base-agreement must be above 0.5 and below 1: of two annotators, not of a model.")
    if not 0 < config.temperature_share < 1:
        raise BadInput("--temperature-share must be above 0 and below 1.")
    for name, length in (("--max-length", config.max_length), ("--against-max-length", config.against_max_length)):
        if length < 0 or 0 < length < 16:
            raise BadInput(f"{name} must be 0, or 16 or more.")
    if config.batch_size < 1:
        raise BadInput("--batch-size must be 1 or more.")
    check_out(config.out)


def check_out(out: Path | None) -> None:
    if out is not None and not out.resolve().parent.is_dir():
        raise BadInput(f"There is no folder for {out}.")


def write_out(out: Path | None, result: dict[str, Any]) -> None:
    """The result as a file, where one was asked for."""
    if out is None:
        return
    try:
        out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise BadInput(f"{out} could not be written: {error.strerror}.") from error


def main(arguments: list[str] | None = None) -> int:
    """0: the last line is the result as JSON, after a table. Otherwise the last line says why (errors.py)."""
    about = "Measure a reward model on pairs. A table is printed, and the result as one JSON object in the last line."
    config = options.parse(Config, arguments, program="python -m workers.training.evaluation", about=about)
    return command.conclude(lambda report: _shown(config, report, on_signals()), to_stream())


def _shown(config: Config, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    result = measure(config, report, should_stop)
    write_out(config.out, result)
    sys.stdout.write(table.text(result) + "\n")
    return result
