"""Majority labels against reliability-weighted soft labels where 30% of the annotators are simulated spammers.

The annotators of UKPConvArg1 are replaced, not their tasks: of every ten spammers four click at random, four always
take the left side (the sides lie at random), two say the opposite of what the person had said. The labels come from all
votes on the training debates; the same pairs with a majority are learnt from in both arms, in as many steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._learning_data import Flags, Floats, Shelf, Votes, estimate, knob, over_seeds, whole_numbers
from benchmarks._learning_measures import MEASURES, measures

ARMS = ("majority", "weighted")
DIFFERENCE = [("weighted", "majority")]
TESTS = {
    "labels": "the labels themselves, on the authors' cleaned training pairs",
    "cleaned": "the authors' cleaned pairs",
    "by_votes": "all pairs, by the share of the votes as they were",
}
SHARE = 0.3
KINDS = (0.4, 0.4, 0.2)
CLICKER, ALWAYS_LEFT, ADVERSARY = range(3)
CERTAIN = 0.999


def measure(votes: Votes, shelf: Shelf) -> dict[str, Any]:
    """Every seed draws its own spammers, training pairs and first weights; one fold of topics is held out for all."""
    seeds = whole_numbers(knob("SEEDS", "0,1,2,3,4"))
    fold, n_pairs = int(knob("SPAMMER_FOLD", "0")), int(knob("SPAMMER_PAIRS", "1000"))
    held_out = votes.fold(fold)
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        runs.append(_run(votes, shelf, held_out, seed=seed, n_pairs=n_pairs))
        print(f"spammers: seeds {', '.join(str(run['seed']) for run in runs)} of {len(seeds)}")
        print(table(runs), flush=True)
    return {"fold": fold, "n_pairs": n_pairs, "share": SHARE, "runs": runs, "over_seeds": summary(runs)}


def _run(votes: Votes, shelf: Shelf, held_out: Flags, *, seed: int, n_pairs: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    values, is_spam = spammed(votes, rng)
    plain, agreement = votes.labels(~held_out, is_weighted=False, values=values)
    weighted, weighted_agreement = votes.labels(~held_out, is_weighted=True, values=values)
    sided = np.flatnonzero(~held_out & votes.differ & (plain != 0.5))
    drawn = np.sort(rng.permutation(sided)[:n_pairs])
    cleaned = votes.cleaned_of(held_out)
    by_votes = votes.pairs_of(np.flatnonzero(held_out & votes.differ), votes.shares)
    labels = {"majority": (np.sign(plain - 0.5) + 1) / 2, "weighted": weighted}
    deltas = {}
    for arm in ARMS:
        train = votes.pairs_of(drawn, labels[arm])
        scores = shelf.scores(f"spammers-{seed}-{arm}", train, [*cleaned, *by_votes], {"seed": seed})
        deltas[arm] = scores[:, 0] - scores[:, 1]
    return {
        "seed": seed,
        "n_train_pairs": len(drawn),
        "n_test_pairs": {"cleaned": len(cleaned), "by_votes": len(by_votes)},
        "share_of_votes": round(float(is_spam[~held_out[votes.items]].mean()), 6),
        "agreement": round(agreement, 6),
        "weighted_agreement": round(weighted_agreement, 6),
        "labels": label_measures(votes, ~held_out, labels),
        "cleaned": measures(cleaned, {arm: each[: len(cleaned)] for arm, each in deltas.items()}, DIFFERENCE),
        "by_votes": measures(by_votes, {arm: each[len(cleaned) :] for arm, each in deltas.items()}, DIFFERENCE),
    }


def spammed(votes: Votes, rng: np.random.Generator) -> tuple[Floats, Flags]:
    """(votes,) v with the spammers' votes in it, and which they are."""
    n = votes.n_annotators
    kind = np.full(n, -1)
    bad = rng.permutation(n)[: int(SHARE * n)]
    kind[bad] = rng.choice(3, size=len(bad), p=KINDS)
    of_vote = kind[votes.annotators]
    is_left, clicked = (rng.random(len(votes.values)) < 0.5 for _ in range(2))
    values = votes.values.copy()
    values[of_vote == CLICKER] = clicked[of_vote == CLICKER]
    values[of_vote == ALWAYS_LEFT] = is_left[of_vote == ALWAYS_LEFT]
    against = of_vote == ADVERSARY
    values[against] = np.where(values[against] == 0.5, clicked[against], 1 - values[against])
    return values, np.asarray(of_vote >= 0, dtype=np.bool_)


def label_measures(votes: Votes, kept: Flags, labels: dict[str, Floats]) -> dict[str, dict[str, Any]]:
    """The labels themselves as if they were models' answers, on the authors' cleaned pairs among the kept ones.

    A majority says 0, one half or 1; its likelihood would be infinite, so that no label counts as surer than CERTAIN.
    """
    cleaned = votes.cleaned_of(kept)
    places = {record["task_id"]: number for number, record in enumerate(votes.records)}
    numbers = np.array([places[pair.pair_id] for pair in cleaned])
    first = [votes.records[number]["responses"][0]["text"] for number in numbers.tolist()]
    is_first = np.array([pair.chosen == text for pair, text in zip(cleaned, first, strict=True)])
    deltas = {}
    for arm, p in labels.items():
        sure = np.clip(np.where(is_first, p[numbers], 1 - p[numbers]), 1 - CERTAIN, CERTAIN)
        deltas[arm] = np.log(sure / (1 - sure))
    return measures(cleaned, deltas, DIFFERENCE)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the seeds: on each test, each measure of both arms and of their paired difference."""
    return {
        test: {
            title: {name: over_seeds([run[test][title][name]["value"] for run in runs]) for name in MEASURES}
            for title in (*ARMS, "weighted - majority")
        }
        for test in TESTS
    }


def table(runs: list[dict[str, Any]]) -> str:
    found = summary(runs)
    lines = []
    for test, title in TESTS.items():
        lines += [f"  {title}", f"  {'':22s}" + "".join(f"{name:>26s}" for name in MEASURES)]
        for name, measured in found[test].items():
            lines.append(f"  {name:22s}" + "".join(f"{estimate(measured[each]):>26s}" for each in MEASURES))
    return "\n".join(lines)
