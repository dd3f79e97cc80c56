"""A small policy from scratch: supervised on the better arguments, then DPO, judged by a reward model that was trained
on other debates, on prompts of debates that none of them saw.

DPO in two ways: on pairs of arguments that people compared, and on pairs of the policy's own answers, labelled by a
reward model of the debates that the policy was trained on (never by the judge). Of the four folds of topics one is the
prompts, one the judge's and the choice of checkpoints', two the policies'.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._learning_data import (
    Flags,
    Shelf,
    Votes,
    as_rows,
    digest,
    estimate,
    judged,
    knob,
    over_seeds,
    said,
    whole_numbers,
    write_rows,
)
from benchmarks._learning_measures import measures

if TYPE_CHECKING:
    from workers.training.data import Pair

PROMPTS, JUDGE, POLICIES = 0, 1, (2, 3)
LENGTH = 224
SFT = {"epochs": 10, "batch_size": 16, "learning_rate": 1e-3, "evaluations_per_epoch": 1}
DPO = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-4, "beta": 0.1, "evaluations_per_epoch": 4}
ARMS = ("people", "own")
JUDGE_PAIRS, DPO_PAIRS, CHOICE_PAIRS = 1500, 800, 100
ANSWERS_PER_PROMPT, ANSWER_TOKENS = 40, 160
OWN_PAIRS_PER_PROMPT = 60
OWN, OWN_CHOICE = 2, 3
"""Streams of chance; 0 and 1 are those of the comparison."""
FIGURES = (
    "win_rate",
    "length_controlled_win_rate",
    "reward_gain",
    "kl_k1_per_answer",
    "kl_k3_per_answer",
    "kl_k1_per_token",
    "policy_characters",
    "reference_characters",
    "policy_ended",
    "reference_ended",
)


def measure(votes: Votes, shelf: Shelf) -> dict[str, Any]:
    """Both reward models once, then each seed; what a seed found is kept on the shelf."""
    seeds = whole_numbers(knob("POLICY_SEEDS", "0,1,2"))
    parts = {fold: votes.cleaned_of(votes.fold(fold)) for fold in (PROMPTS, JUDGE, *POLICIES)}
    pairs = [pair for fold in POLICIES for pair in parts[fold]]
    judge, proxy = (
        _reward_model(shelf, name, each, parts[PROMPTS]) for name, each in (("judge", parts[JUDGE]), ("proxy", pairs))
    )
    agreed = _accuracy(judge, parts[PROMPTS])
    print(f"policies: the judge agrees with the authors on {agreed['value']:.3f} of the prompts' pairs", flush=True)
    runs = []
    for seed in seeds:
        runs.append(_seed(shelf, judge, proxy, seed, pairs=pairs, choice=parts[JUDGE], prompts=parts[PROMPTS]))
        print(table(runs), flush=True)
    return {
        "topics": {name: _topics(votes, folds) for name, folds in _folds().items()},
        "options": {"sft": SFT, "dpo": DPO, "max_length": LENGTH, "answer_tokens": ANSWER_TOKENS},
        "judge_accuracy": agreed,
        "runs": runs,
        "over_seeds": summary(runs),
    }


def _folds() -> dict[str, tuple[int, ...]]:
    return {"prompts": (PROMPTS,), "judge": (JUDGE,), "policies": POLICIES}


def _topics(votes: Votes, folds: tuple[int, ...]) -> list[str]:
    held: Flags = np.any([votes.fold(fold) for fold in folds], axis=0)
    return sorted(set(votes.topics[held].tolist()))


def _some(pairs: list[Pair], n: int, seed: int) -> list[Pair]:
    drawn = np.random.default_rng([seed, 7]).permutation(len(pairs))[:n]
    return [pairs[number] for number in np.sort(drawn).tolist()]


def _reward_model(shelf: Shelf, name: str, pairs: list[Pair], test: list[Pair]) -> Path:
    train = _some(pairs, JUDGE_PAIRS, 0)
    return shelf.trained(f"{name}-{digest(as_rows(train))}", train, test, {})


def _accuracy(judge: Path, pairs: list[Pair]) -> dict[str, Any]:
    scores = judged(judge, pairs)
    return measures(pairs, {"judge": scores[:, 0] - scores[:, 1]}, [])["judge"]["accuracy"]


def _seed(
    shelf: Shelf, judge: Path, proxy: Path, seed: int, *, pairs: list[Pair], choice: list[Pair], prompts: list[Pair]
) -> dict[str, Any]:
    """SFT from scratch, DPO from there, and the two compared; checkpoints are chosen on `choice` alone."""
    key = digest(
        [SFT, DPO, LENGTH, ANSWERS_PER_PROMPT, ANSWER_TOKENS, OWN_PAIRS_PER_PROMPT, DPO_PAIRS],
        [judge.parent.name, proxy.parent.name],
        *map(as_rows, (pairs, choice, prompts)),
    )
    folder = shelf.folder / f"policies-{seed}-{key}"
    folder.mkdir(exist_ok=True)
    kept = folder / "figures.json"
    if kept.exists():
        shelf.n_kept += 1
        return dict(json.loads(kept.read_text()))
    found = run(
        folder,
        judge,
        proxy,
        seed,
        pairs=_some(pairs, DPO_PAIRS, seed),
        answered=pairs,
        choice=choice,
        prompts=prompts,
    )
    kept.write_text(json.dumps(found, indent=2))
    return found


def run(
    folder: Path,
    judge: Path,
    proxy: Path,
    seed: int,
    *,
    pairs: list[Pair],
    answered: list[Pair],
    choice: list[Pair],
    prompts: list[Pair],
    sft: dict[str, Any] = SFT,
    dpo: dict[str, Any] = DPO,
    n_own: int = OWN_PAIRS_PER_PROMPT,
    n_answers: int = ANSWERS_PER_PROMPT,
    answer_tokens: int = ANSWER_TOKENS,
) -> dict[str, Any]:
    """SFT learns the better arguments of `answered`; DPO the `pairs`, or pairs of its own answers to their prompts."""
    from workers.algorithms import sft as sft_algorithm

    common = {"seed": seed, "threads": 1, "device": "cpu", "max_length": LENGTH}
    config = sft_algorithm.Config(
        data=write_rows(folder / "sft.jsonl", as_rows(answered)),
        eval_data=write_rows(folder / "sft_choice.jsonl", as_rows(choice)),
        model="scratch",
        out=folder / "sft",
        answers="chosen",
        **common,
        **sft,
    )
    learnt = sft_algorithm.train(config, said(f"sft {seed}"))
    before, after = held_out_losses(config, write_rows(folder / "held_out.jsonl", as_rows(prompts)))
    found = {
        "seed": seed,
        "sft_loss_before": before,
        "sft_loss_after": after,
        "sft_best_step": learnt["best_step"],
        "n_sft_rows": learnt["n_train_rows"],
    }
    few = _some(choice, CHOICE_PAIRS, 0)
    for arm in ARMS:
        if arm == "own":
            few, pairs = (
                own_pairs(config.out, proxy, asked, n=n, tokens=answer_tokens, seed=seed, stream=stream)
                for asked, n, stream in ((choice, max(n_own // 6, 2), OWN_CHOICE), (answered, n_own, OWN))
            )
        compared = _tuned(folder / arm, config.out, judge, pairs, few, prompts, common, dpo, n_answers, answer_tokens)
        found[arm] = {"n_pairs": len(pairs), **compared}
    return found


def own_pairs(
    policy_folder: Path, proxy: Path, asked: list[Pair], *, n: int, tokens: int, seed: int, stream: int
) -> list[Pair]:
    """n pairs of answers to each prompt of `asked` as the policy writes them, with the proxy's probability as p.

    Answers that ran out of room are left out with their pair, and so are pairs of equal texts or with none.
    """
    import torch

    from workers.training import causal, generation
    from workers.training.generation import Sampling

    first = {str(pair.prompt): pair for pair in asked}
    likes = [first[prompt] for prompt in sorted(first) for _ in range(2 * n)]
    policy = causal.load(str(policy_folder), texts=(), max_length=LENGTH, dropout=0.0, lora=None)
    sampling = Sampling(max_new_tokens=tokens, temperature=1.0, seed=seed, batch_size=32, precision=torch.float32)
    answers = generation.answer(policy, [pair.prompt for pair in likes], sampling, torch.device("cpu"), stream=stream)
    written = [
        dataclasses.replace(like, chosen=one.text, rejected=other.text, pair_id=f"own-{number}")
        for number, (like, one, other) in enumerate(zip(likes[::2], answers[::2], answers[1::2], strict=True))
        if one.has_ended and other.has_ended and one.text.strip() and other.text.strip() and one.text != other.text
    ]
    scores = judged(proxy, written)
    found = []
    for pair, delta in zip(written, (scores[:, 0] - scores[:, 1]).tolist(), strict=True):
        p = round(float(1 / (1 + np.exp(-delta))), 6)
        sides = (pair.chosen, pair.rejected) if p >= 0.5 else (pair.rejected, pair.chosen)
        found.append(dataclasses.replace(pair, chosen=sides[0], rejected=sides[1], p=max(p, 1 - p)))
    return found


def _tuned(
    folder: Path,
    start: Path,
    judge: Path,
    pairs: list[Pair],
    choice: list[Pair],
    prompts: list[Pair],
    common: dict[str, Any],
    dpo: dict[str, Any],
    n_answers: int,
    answer_tokens: int,
) -> dict[str, Any]:
    """DPO from `start`, and what the judge says of both on the held-out prompts."""
    from workers.algorithms import dpo as dpo_algorithm
    from workers.training.evaluation import policies
    from workers.training.report import to_nowhere

    folder.mkdir(exist_ok=True)
    tuned = dpo_algorithm.train(
        dpo_algorithm.Config(
            data=write_rows(folder / "dpo.jsonl", as_rows(pairs)),
            eval_data=write_rows(folder / "dpo_choice.jsonl", as_rows(choice)),
            model=str(start),
            out=folder / "dpo",
            **common,
            **dpo,
        ),
        said(str(folder.name)),
    )
    asked = sorted({(str(pair.prompt), pair.prompt_cluster) for pair in prompts})
    repeated = [{"prompt": p, "prompt_cluster": c} for p, c in asked for _ in range(n_answers)]
    compared = policies.measure(
        policies.Config(
            policy=str(folder / "dpo"),
            reference=str(start),
            prompts=write_rows(folder / "prompts.jsonl", repeated),
            reward_model=str(judge),
            pairs=write_rows(folder / "held_out.jsonl", as_rows(_some(prompts, 300, 0))),
            beta=dpo["beta"],
            max_new_tokens=answer_tokens,
            max_length=LENGTH,
            **{name: common[name] for name in ("seed", "threads", "device")},
        ),
        to_nowhere,
    )
    return {
        "best_step": tuned["best_step"],
        "choice_accuracy": tuned["eval_accuracy"],
        "total": compared["total"],
        "implicit_accuracy": compared["implicit_reward"]["eval_accuracy"],
        "implicit_accuracy_interval": compared["implicit_reward"]["eval_accuracy_interval"],
        "samples": compared["samples"],
    }


def held_out_losses(config: Any, held_out: Path) -> tuple[float, float]:
    """Cross entropy in nats a token of the held-out better answers: by the untrained model, by the trained one."""
    import torch

    from workers.training import causal
    from workers.training.completions import Completions
    from workers.training.demonstrations import read_demonstrations
    from workers.training.encoding import plain
    from workers.training.policy_options import first_policy

    place = torch.device("cpu")
    learnt = read_demonstrations(config.data, answers=config.answers).demonstrations
    texts = [text for row in learnt for text in (plain(row.prompt), row.completion)]
    trained = causal.load(str(config.out), texts=(), max_length=config.max_length, dropout=0.0, lora=None)
    rows = read_demonstrations(held_out, answers=config.answers).demonstrations
    losses = []
    for policy in (first_policy(config, texts, place), trained):
        cut = Completions(policy.tokenizer, max_length=config.max_length).encode(
            [(row.prompt, (row.completion,)) for row in rows]
        )
        sequences = [sequence for (sequence,) in cut.sequences]
        found = policy.logps(sequences, batch_size=32, device=place, precision=torch.float32, between=lambda: None)
        n_tokens = sum(len(sequence.ids) - sequence.n_first for sequence in sequences)
        losses.append(round(-sum(found[sequence][0] for sequence in sequences) / n_tokens, 6))
    return losses[0], losses[1]


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: over_seeds([run[name] for run in runs]) for name in ("sft_loss_before", "sft_loss_after")
    }
    for arm in ARMS:
        found[arm] = {name: over_seeds([run[arm]["total"][name] for run in runs]) for name in FIGURES}
        found[arm]["implicit_accuracy"] = over_seeds([run[arm]["implicit_accuracy"] for run in runs])
    return found


def table(runs: list[dict[str, Any]]) -> str:
    lines = [f"policies: seeds {', '.join(str(run['seed']) for run in runs)}"]
    for run in runs:
        lines.append(f"  seed {run['seed']}: held-out loss {run['sft_loss_before']:.3f} -> {run['sft_loss_after']:.3f}")
        for arm in ARMS:
            total = run[arm]["total"]
            low, high = total["win_rate_interval"] or (float("nan"), float("nan"))
            lines.append(
                f"    DPO on pairs of {arm}: wins {total['win_rate']:.3f} [{low:.3f}, {high:.3f}], at equal length "
                f"{total['length_controlled_win_rate']:.3f}, KL {total['kl_k1_per_answer']:.2f} nats an answer, "
                f"characters {total['policy_characters']:.0f} against {total['reference_characters']:.0f}"
            )
    found = summary(runs)
    for arm in ARMS:
        lines += [f"  {arm}, over seeds", *(f"    {name:28s}{estimate(each)}" for name, each in found[arm].items())]
    return "\n".join(lines)
