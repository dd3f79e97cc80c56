"""A small policy from scratch: supervised on the better arguments, then DPO on pairs, judged by a reward model that
was trained on other debates, on prompts of debates that none of them saw.

Of the four folds of topics one is the prompts, one the judge's and the choice of checkpoints', two the policies'.
"""

from __future__ import annotations

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
JUDGE_PAIRS, DPO_PAIRS, CHOICE_PAIRS = 1500, 1500, 200
ANSWERS_PER_PROMPT, ANSWER_TOKENS = 40, 128
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
    """The judge once, then each seed; what a seed found is kept on the shelf."""
    seeds = whole_numbers(knob("POLICY_SEEDS", "0,1,2"))
    parts = {fold: votes.cleaned_of(votes.fold(fold)) for fold in (PROMPTS, JUDGE, *POLICIES)}
    pairs = [pair for fold in POLICIES for pair in parts[fold]]
    judge = _judge(shelf, parts[JUDGE], parts[PROMPTS])
    agreed = _judge_accuracy(judge, parts[PROMPTS])
    print(f"policies: the judge agrees with the authors on {agreed['value']:.3f} of the prompts' pairs", flush=True)
    runs = []
    for seed in seeds:
        runs.append(_seed(shelf, judge, seed, pairs=pairs, choice=parts[JUDGE], prompts=parts[PROMPTS]))
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


def _judge(shelf: Shelf, pairs: list[Pair], test: list[Pair]) -> Path:
    train = _some(pairs, JUDGE_PAIRS, 0)
    return shelf.trained(f"judge-{digest(as_rows(train))}", train, test, {})


def _judge_accuracy(judge: Path, pairs: list[Pair]) -> dict[str, Any]:
    scores = judged(judge, pairs)
    return measures(pairs, {"judge": scores[:, 0] - scores[:, 1]}, [])["judge"]["accuracy"]


def _seed(
    shelf: Shelf, judge: Path, seed: int, *, pairs: list[Pair], choice: list[Pair], prompts: list[Pair]
) -> dict[str, Any]:
    """SFT from scratch, DPO from there, and the two compared; checkpoints are chosen on `choice` alone."""
    key = digest(
        SFT, DPO, LENGTH, ANSWERS_PER_PROMPT, ANSWER_TOKENS, judge.parent.name, *map(as_rows, (pairs, choice, prompts))
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
    seed: int,
    *,
    pairs: list[Pair],
    answered: list[Pair],
    choice: list[Pair],
    prompts: list[Pair],
    sft: dict[str, Any] = SFT,
    dpo: dict[str, Any] = DPO,
    n_answers: int = ANSWERS_PER_PROMPT,
    answer_tokens: int = ANSWER_TOKENS,
) -> dict[str, Any]:
    """SFT learns the better arguments of `answered`, DPO the `pairs`."""
    from workers.algorithms import dpo as dpo_algorithm
    from workers.algorithms import sft as sft_algorithm
    from workers.training.evaluation import policies
    from workers.training.report import to_nowhere

    common = {"seed": seed, "threads": 1, "device": "cpu", "max_length": LENGTH}
    held_out = write_rows(folder / "prompts_pairs.jsonl", as_rows(prompts))
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
    losses = held_out_losses(config, held_out)
    tuned = dpo_algorithm.train(
        dpo_algorithm.Config(
            data=write_rows(folder / "dpo.jsonl", as_rows(pairs)),
            eval_data=write_rows(folder / "dpo_choice.jsonl", as_rows(_some(choice, CHOICE_PAIRS, 0))),
            model=str(config.out),
            out=folder / "dpo",
            **common,
            **dpo,
        ),
        said(f"dpo {seed}"),
    )
    asked = sorted({(str(pair.prompt), pair.prompt_cluster) for pair in prompts})
    compared = policies.measure(
        policies.Config(
            policy=str(folder / "dpo"),
            reference=str(config.out),
            prompts=write_rows(
                folder / "prompts.jsonl",
                [{"prompt": p, "prompt_cluster": c} for p, c in asked for _ in range(n_answers)],
            ),
            reward_model=str(judge),
            pairs=write_rows(folder / "implicit.jsonl", as_rows(_some(prompts, 500, 0))),
            beta=dpo["beta"],
            max_new_tokens=answer_tokens,
            max_length=LENGTH,
            seed=seed,
            threads=1,
            device="cpu",
        ),
        to_nowhere,
    )
    return {
        "seed": seed,
        "sft_loss_before": losses[0],
        "sft_loss_after": losses[1],
        "sft_best_step": learnt["best_step"],
        "n_sft_rows": learnt["n_train_rows"],
        "dpo_best_step": tuned["best_step"],
        "n_dpo_pairs": tuned["n_train_pairs"],
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
    found = {
        "sft_loss_before": over_seeds([run["sft_loss_before"] for run in runs]),
        "sft_loss_after": over_seeds([run["sft_loss_after"] for run in runs]),
        "implicit_accuracy": over_seeds([run["implicit_accuracy"] for run in runs]),
    }
    return found | {name: over_seeds([run["total"][name] for run in runs]) for name in FIGURES}


def table(runs: list[dict[str, Any]]) -> str:
    lines = [f"policies: seeds {', '.join(str(run['seed']) for run in runs)}"]
    for run in runs:
        total = run["total"]
        low, high = total["win_rate_interval"] or (float("nan"), float("nan"))
        lines.append(
            f"  seed {run['seed']}: held-out loss {run['sft_loss_before']:.3f} -> {run['sft_loss_after']:.3f}, "
            f"DPO wins {total['win_rate']:.3f} [{low:.3f}, {high:.3f}], "
            f"KL {total['kl_k1_per_answer']:.2f} nats an answer"
        )
    return "\n".join([*lines, *(f"  {name:28s}{estimate(each)}" for name, each in summary(runs).items())])
