"""A million votes: agreement, Dawid-Skene and Bradley-Terry, beside the libraries that do the same.

Each of ours is measured three times, in wall and in processor seconds, and the median stands; promised are .5 s of wall
time each. The libraries are measured once, on as many votes as they manage in some minutes (`votes` says how many). One
that is not installed is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any, get_args

import numpy as np

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain.dawid_skene import dawid_skene
from app.domain.ranking import bradley_terry, uncertainty
from app.domain.ranking.comparisons import LOSS, TIE, WIN, tally

VOTES = 1_000_000
PER_ITEM = 5
ANNOTATORS = 3000
PROMPTS = 2000
MODELS = 1000
PROMISED = 0.5
REPEATS = 3

Timed = dict[str, float]


def timed(work: Callable[[], Any], *, repeats: int = REPEATS) -> Timed:
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return {"wall_s": round(median(walls), 3), "processor_s": round(median(processors), 3)}


def crowd(rng: np.random.Generator, n_votes: int, *, n_labels: int) -> tuple[ag.Ints, ag.Ints, ag.Ints]:
    """(items, annotators, labels), five votes an item, skill after Beta(8, 3)."""
    items = np.repeat(np.arange(n_votes // PER_ITEM), PER_ITEM)
    annotators = rng.integers(ANNOTATORS, size=len(items))
    truth = rng.integers(n_labels, size=n_votes // PER_ITEM)[items]
    knows = rng.random(len(items)) < rng.beta(8, 3, ANNOTATORS)[annotators]
    return items, annotators, np.where(knows, truth, rng.integers(n_labels, size=len(items)))


def alpha(items: ag.Ints, labels: ag.Ints, n_prompts: int) -> ai.Estimate:
    """alpha_sym of votes for A, a tie and B, with its interval over prompts: from votes to figure."""
    n_items = int(items[-1]) + 1
    counts = ag.label_counts(items, labels, n_items=n_items, n_labels=3)
    rng = np.random.default_rng(1)
    return ai.estimate_alpha(counts, np.arange(n_items) % n_prompts, rng=rng, mirror=np.array([2, 1, 0]))


def comparisons(rng: np.random.Generator, n_votes: int, n_models: int) -> tuple[ag.Ints, ag.Ints, ag.Ints]:
    strengths = rng.normal(size=n_models)
    first = rng.integers(n_models, size=n_votes)
    second = (first + rng.integers(1, n_models, size=n_votes)) % n_models
    d = strengths[first] - strengths[second]
    weights = np.stack([np.exp(d / 2), np.full(n_votes, 0.6), np.exp(-d / 2)])
    place = (rng.random(n_votes) * weights.sum(axis=0) > np.cumsum(weights, axis=0)).sum(axis=0)
    return first, second, np.array([WIN, TIE, LOSS])[place]


def ranked(votes: tuple[ag.Ints, ag.Ints, ag.Ints], ties: bradley_terry.Ties) -> bradley_terry.BradleyTerry:
    return bradley_terry.fit(tally(*votes, n_players=MODELS), ties=ties)


def ours(rng: np.random.Generator, n_votes: int) -> dict[str, Timed]:
    found = {}
    for n_labels in (2, 3):
        items, annotators, labels = crowd(rng, n_votes, n_labels=n_labels)
        size = {"n_items": n_votes // PER_ITEM, "n_annotators": ANNOTATORS, "n_labels": n_labels}
        found[f"Dawid-Skene, {n_labels} labels"] = timed(partial(dawid_skene, items, annotators, labels, **size))
    for n_prompts in (PROMPTS, n_votes // PER_ITEM):
        found[f"alpha_sym with interval, {n_prompts:,} prompts"] = timed(partial(alpha, items, labels, n_prompts))
    votes = comparisons(rng, n_votes, MODELS)
    for ties in get_args(bradley_terry.Ties):
        found[f"Bradley-Terry, {MODELS} models, ties {ties}"] = timed(partial(ranked, votes, ties))
    counted = tally(*votes, n_players=MODELS)
    fitted = bradley_terry.fit(counted)
    found["its intervals (sandwich, by vote)"] = timed(lambda: uncertainty.sandwich(counted, fitted))
    return found


def theirs(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """The libraries, each on as many votes as it takes to see how it grows."""
    found: dict[str, dict[str, float]] = {}
    if find_spec("krippendorff"):
        import krippendorff

        items, _, labels = crowd(rng, VOTES, n_labels=3)
        counts = ag.label_counts(items, labels, n_items=VOTES // PER_ITEM, n_labels=3)
        found["krippendorff: alpha of counts, no interval"] = {
            "votes": VOTES,
            **timed(lambda: krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"), repeats=1),
        }
    if find_spec("crowdkit"):
        import pandas as pd
        from crowdkit.aggregation import DawidSkene

        n = VOTES // 10
        items, annotators, labels = crowd(rng, n, n_labels=2)
        table = pd.DataFrame({"task": items, "worker": annotators, "label": labels})
        found["crowd-kit: Dawid-Skene, 2 labels"] = {
            "votes": n,
            **timed(lambda: DawidSkene(n_iter=100).fit(table), repeats=1),
        }
    if find_spec("choix"):
        import choix

        n, models = VOTES // 10, MODELS // 10
        first, second, outcomes = comparisons(rng, n, models)
        pairs = np.stack(np.where(outcomes == WIN, (first, second), (second, first)), axis=1)[outcomes != TIE].tolist()
        found[f"choix: Bradley-Terry without ties, {models} models"] = {
            "votes": len(pairs),
            **timed(lambda: choix.opt_pairwise(models, pairs), repeats=1),
        }
    return found


def measure() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    figures = ours(rng, VOTES)
    for name, figure in figures.items():
        print(f"{name:<45} {figure['wall_s']:8.3f} s, {figure['processor_s']:8.3f} s of processor", flush=True)
    libraries = theirs(rng)
    for name, figure in libraries.items():
        print(f"{name:<45} {figure['wall_s']:8.3f} s for {figure['votes']:,.0f} votes", flush=True)
    return {"votes": VOTES, "promised_s": PROMISED, "ours": figures, "libraries": libraries}
