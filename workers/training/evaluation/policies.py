"""A policy compared with where it started, on held-out prompts: a table to read, and JSON in the last line.

Both models are in memory at once. Left out here: several answers a prompt in one go (give the prompt in several rows),
judges other than a reward model, and adapters that are not merged.

    python -m workers.training.evaluation.policies --policy folder --reference folder --prompts prompts.jsonl
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from workers.training import causal, command, device, generation, options, safety
from workers.training.causal import Policy
from workers.training.completions import Completions
from workers.training.data import Pair, check_trainable, read_pairs
from workers.training.encoding import plain
from workers.training.errors import BadInput
from workers.training.evaluation import answers, divergence, policies_table
from workers.training.evaluation import command as reward_models
from workers.training.evaluation.accuracy import evaluate
from workers.training.evaluation.meter import Meter
from workers.training.evaluation.slices import MINIMUM_PAIRS
from workers.training.generation import Answer, Sampling
from workers.training.prompts import AskedPrompt, read_prompts
from workers.training.report import Report, to_stream
from workers.training.stopping import ShouldStop, never, on_signals

Floats = NDArray[np.float64]
POLICY, REFERENCE = 0, 1
"""Streams of chance: answers are drawn apart, so that a win rate is that of independent answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    policy: str
    """The trained policy: a folder, or a name on the hub. Only safetensors, no remote code."""
    reference: str
    """What it was trained from: a folder, or a name on the hub, with the same tokenizer and chat template."""
    prompts: Path
    """Held-out prompts as JSON lines: prompt, and set and prompt_cluster where known. A file of pairs serves too."""
    reward_model: str | None = None
    """A reward model that says which answer is better; without one there are no win rates."""
    pairs: Path | None = None
    """Held-out pairs, on which the policy's own implicit reward is measured as a reward model."""
    criterion: str = ""
    """Use only the pairs of this criterion; needed where they speak of several."""
    beta: float = 0.1
    """The implicit reward is beta times the log-ratio to the reference; give the beta of the training."""
    out: Path | None = None
    """A file for the result as JSON, the same as in the last line."""
    max_prompts: int = 0
    """Answer at most so many different prompts, drawn by chance; 0 answers each row."""
    samples: int = 10
    """Prompts shown with both answers side by side; chance chooses them."""
    max_new_tokens: int = 256
    """Tokens an answer may have; one that has not ended by then is cut, and counted."""
    temperature: float = 1.0
    """Divides the logits; 0 takes the likeliest token each time. Only at 1 are the KL figures those of the policy."""
    max_length: int = 0
    """Tokens of prompt and response of the pairs together; 0 takes the length of the policy's training, or 256."""
    reward_max_length: int = 0
    """The same for the reward model; 0 takes the length of its training, or 256."""
    batch_size: int = 32
    """Prompts that are answered, and sequences that are read, at once."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes the networks in 16-bit brain floats."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    threads: int = 0
    """Processor threads for torch; 0 leaves it to torch."""
    seed: int = 0
    """Decides the answers, the bootstrap and the samples shown."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    @property
    def sampling(self) -> Sampling:
        return Sampling(
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
            batch_size=self.batch_size,
            precision=self.dtype,
        )


def measure(config: Config, report: Report, should_stop: ShouldStop = never) -> dict[str, Any]:
    """Everything that the options ask for, as one JSON object; `None` stands for what was not asked or cannot be."""
    started = time.monotonic()
    check_options(config)
    asked = drawn(read_prompts(config.prompts), config.max_prompts, seed=config.seed)
    pairs = _pairs(config.pairs, config.criterion) if config.pairs else []
    place = device.choose(config.device, threads=config.threads)
    # Before anything is written, so that a wrong folder costs no hour.
    meter = Meter(report, should_stop, parts=3 + (config.reward_model is not None) + 2 * bool(pairs))
    judge = _judge(config, place, meter) if config.reward_model else None
    report({"event": "phase", "phase": "loading"})
    max_length = config.max_length or reward_models.trained_length(Path(config.policy)) or reward_models.UNKNOWN_LENGTH
    policy, reference = (_policy(name, max_length, place) for name in (config.policy, config.reference))
    check_alike(policy, reference, asked)

    report({"event": "phase", "phase": "writing"})
    texts = [each.prompt for each in asked]
    ours, theirs = (
        generation.answer(
            each, texts, config.sampling, place, stream=stream, between=meter.over(len(texts), config.batch_size)
        )
        for each, stream in ((policy, POLICY), (reference, REFERENCE))
    )
    report({"event": "phase", "phase": "comparing"})
    k1, k3 = divergence.summed(
        policy,
        reference,
        [each.sequence for each in ours],
        batch_size=config.batch_size,
        device=place,
        precision=config.dtype,
        between=meter.over(len(ours), config.batch_size),
    )
    if not np.isfinite([k1, k3]).all():
        raise BadInput(
            f"The probabilities of {policy.base} or {reference.base} on the answers are no numbers. Try --precision "
            "fp32, or a --temperature of 1 or less."
        )
    rewards = judge.scores(_as_pairs(asked, ours, theirs)) if judge else None
    found = answers.Compared(asked, ours, theirs, np.array(k1), np.array(k3), rewards)
    result: dict[str, Any] = {
        "policy": policy.base,
        "reference": reference.base,
        "reward_model": judge.scorer.base if judge else None,
        "reward_max_length": judge.max_length if judge else None,
        "n_cut_for_reward": judge.n_cut if judge else None,
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        **answers.compare(found, seed=config.seed),
        "implicit_reward": None,
    }
    if pairs:
        report({"event": "phase", "phase": "pairs"})
        result["implicit_reward"] = implicit_reward(pairs, policy, reference, max_length, config, place, meter)
    result["samples"] = answers.samples(found, config.samples, seed=config.seed)
    return {**result, "seconds": round(time.monotonic() - started, 1)}


def drawn(asked: list[AskedPrompt], n: int, *, seed: int) -> list[AskedPrompt]:
    """n of the different prompts, in the file's order; all rows where n is 0."""
    if not n:
        return asked
    different = list({(plain(each.prompt), each.prompt_set): each for each in reversed(asked)}.values())[::-1]
    chosen = np.random.default_rng([seed, 1]).permutation(len(different))[:n]
    return [different[number] for number in sorted(chosen)]


def implicit_reward(
    pairs: list[Pair],
    policy: Policy,
    reference: Policy,
    max_length: int,
    config: Config,
    place: torch.device,
    meter: Meter,
) -> dict[str, Any]:
    """The figures of a reward model for β log π(y|x) / π_ref(y|x) (Rafailov et al. 2023), and its `sets`."""
    cut = Completions(policy.tokenizer, max_length=max_length).encode(
        [(pair.prompt, (pair.chosen, pair.rejected)) for pair in pairs]
    )
    flat = [sequence for two in cut.sequences for sequence in two]
    logps = []
    for each in (policy, reference):
        each.layout = "padded"  # both in one layout: a policy that equals its reference then has no reward at all
        between = meter.over(len(set(flat)), config.batch_size)
        found = each.logps(flat, batch_size=config.batch_size, device=place, precision=config.dtype, between=between)
        logps.append(np.array([found[sequence][0] for sequence in flat]).reshape(-1, 2))
    rewards: Floats = config.beta * (logps[0] - logps[1])
    names = sorted({pair.prompt_set for pair in pairs} - {""})
    return {
        "beta": config.beta,
        "max_length": max_length,
        "n_prompts_cut": cut.n_prompts_cut,
        "n_completions_cut": cut.n_completions_cut,
        **evaluate(pairs, rewards, seed=config.seed),
        "sets": [_of_set(name, pairs, rewards, seed=config.seed) for name in names],
    }


def _of_set(name: str, pairs: list[Pair], rewards: Floats, *, seed: int) -> dict[str, Any]:
    inside = [number for number, pair in enumerate(pairs) if pair.prompt_set == name]
    row: dict[str, Any] = {"name": name, "n": len(inside)}
    if len(inside) < MINIMUM_PAIRS:
        return row
    return {**row, **evaluate([pairs[number] for number in inside], rewards[inside], seed=seed)}


def check_alike(policy: Policy, reference: Policy, asked: list[AskedPrompt]) -> None:
    """A log-ratio means something only where both models read the same tokens."""
    texts = [each.prompt for each in asked]
    both = [Completions(each.tokenizer, max_length=0).prompts(texts) for each in (policy, reference)]
    if policy.tokenizer.get_vocab() != reference.tokenizer.get_vocab() or both[0] != both[1]:
        raise BadInput(
            f"{policy.base} and {reference.base} read prompts as different tokens, so that their probabilities cannot "
            "be compared. Give the model that the policy was trained from, with its tokenizer and chat template."
        )


def check_options(config: Config) -> None:
    config.sampling.check()
    if not config.beta > 0:
        raise BadInput("--beta must be above 0.")
    if config.samples < 0 or config.max_prompts < 0:
        raise BadInput("--samples and --max-prompts must be 0 or more.")
    for name, value in (("--max-length", config.max_length), ("--reward-max-length", config.reward_max_length)):
        if value < 0 or 0 < value < 16:
            raise BadInput(f"{name} must be 0, or 16 or more.")
    reward_models.check_out(config.out)


def _policy(name: str, max_length: int, place: torch.device) -> Policy:
    """As for training; from scratch there is nothing to measure, and a reward model writes nothing."""
    if name == "scratch":
        raise BadInput("scratch is what a policy is trained from. Give a trained one: the folder of a run.")
    if _is_reward_model(name):
        raise BadInput(f"{name} is a reward model, which writes nothing. Give it as --reward-model, and a policy here.")
    policy = causal.load(name, texts=(), max_length=max_length, dropout=0.0, lora=None)
    policy.model.to(place)
    return policy


def _is_reward_model(name: str) -> bool:
    """Transformers would read one as a language model where the head of a language model is tied to its embeddings."""
    return any(each.endswith("ForSequenceClassification") for each in safety.architectures(safety.find(name)))


def _judge(config: Config, place: torch.device, meter: Meter) -> reward_models.Model:
    name = str(config.reward_model)
    judging = reward_models.Config(model=name, batch_size=config.batch_size, precision=config.precision)
    return reward_models.Model(name, judging, place, meter, max_length=config.reward_max_length)


def _as_pairs(asked: list[AskedPrompt], ours: list[Answer], theirs: list[Answer]) -> list[Pair]:
    """For a reward model: the policy's answer stands as chosen, the reference's as rejected."""
    return [
        Pair(
            row=prompt.row,
            prompt=prompt.prompt,
            chosen=first.text,
            rejected=second.text,
            p=1.0,
            weight=1.0,
            margin=None,
            pair_id=f"row-{prompt.row}",
            prompt_cluster=prompt.prompt_cluster,
        )
        for prompt, first, second in zip(asked, ours, theirs, strict=True)
    ]


def _pairs(path: Path, criterion: str) -> list[Pair]:
    pairs = read_pairs(path, criterion=criterion).pairs
    check_trainable(path, pairs, batch_size=1, labels="soft")
    return pairs


def main(arguments: list[str] | None = None) -> int:
    """0: the last line is the result as JSON, after a table. Otherwise the last line says why (errors.py)."""
    about = (
        "Compare a policy with where it started on held-out prompts. A table is printed, and the result as one JSON "
        "object in the last line."
    )
    config = options.parse(Config, arguments, program="python -m workers.training.evaluation.policies", about=about)
    return command.conclude(lambda report: _shown(config, report, on_signals()), to_stream())


def _shown(config: Config, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    result = measure(config, report, should_stop)
    reward_models.write_out(config.out, result)
    sys.stdout.write(policies_table.text(result) + "\n")
    return result


if __name__ == "__main__":
    sys.exit(main())
