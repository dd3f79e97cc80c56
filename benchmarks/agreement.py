"""How often the intervals of agreement hold what they promise (95%), and how long a summary takes.

Simulated votes of known agreement: annotators are right with probability .8, truth is a fair coin. With `prompts`, an
item's difficulty belongs to its prompt, and prompts are what the bootstrap draws.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.quality.summary import summarise

RUNS = 2000
VOTES = 3
ACCURACIES = (0.95, 0.65)
SIZES = ((30, 30), (100, 100), (400, 400), (480, 24))
STATISTICS = {
    "raw": ag.raw_of,
    "alpha_sym": ai.alpha_statistic(mirror=np.array([1, 0])),
    "alpha_nominal": ai.alpha_statistic(),
    "ac1": ag.gwet_of,
    "fleiss": ag.fleiss_of,
}


def measure() -> dict[str, Any]:
    found: dict[str, Any] = {"runs": RUNS, "coverage": {}}
    for n_items, n_prompts in SIZES:
        figures = coverage(n_items, n_prompts)
        found["coverage"][f"{n_items} items, {n_prompts} prompts"] = figures
        print(f"{n_items:5} items {n_prompts:4} prompts  {figures}", flush=True)
    found["summary_of_62_742_votes_s"] = round(duration(), 2)
    print(f"summary of 62,742 votes, 3,600 annotators: {found['summary_of_62_742_votes_s']} s")
    return found


def coverage(n_items: int, n_prompts: int) -> dict[str, float]:
    """Share of the intervals that hold the true value, and the mean half-width for alpha_sym."""
    rng = np.random.default_rng(n_items)
    of_prompts = n_prompts < n_items
    accuracies = ACCURACIES if of_prompts else (0.8,)
    raw = float(np.mean([a * a + (1 - a) ** 2 for a in accuracies]))
    truth = {name: raw if name == "raw" else 2 * raw - 1 for name in STATISTICS}
    hits, widths = dict.fromkeys(STATISTICS, 0), []
    clusters = np.repeat(np.arange(n_prompts), n_items // n_prompts)
    for _ in range(RUNS):
        accuracy = rng.choice(accuracies, size=n_prompts)[clusters]
        estimates = ai.estimate_all(simulate(rng, accuracy), clusters, STATISTICS, rng=rng)
        for name, estimate in estimates.items():
            if estimate.low is not None and estimate.high is not None:
                hits[name] += estimate.low <= truth[name] <= estimate.high
        sym = estimates["alpha_sym"]
        widths.append(((sym.high or 0.0) - (sym.low or 0.0)) / 2)
    shares = {name: round(n / RUNS, 3) for name, n in hits.items()}
    return shares | {"half_width_alpha_sym": round(float(np.mean(widths)), 3)}


def simulate(rng: np.random.Generator, accuracy: ag.Floats) -> ag.Floats:
    """Counts (items, 2) of VOTES votes on each item."""
    items = np.arange(len(accuracy))
    truth = rng.integers(2, size=len(accuracy))
    counts = np.zeros((len(accuracy), 2))
    for _ in range(VOTES):
        is_right = rng.random(len(accuracy)) < accuracy
        counts[items, np.where(is_right, truth, 1 - truth)] += 1
    return counts


def duration() -> float:
    """Seconds for as many votes as ukp_convarg1 has, with bootstrap and the kappas of 50 pairs."""
    rng = np.random.default_rng(1)
    n_items, n_workers = 12_577, 3_600
    popularity = 1 / np.arange(1, n_workers + 1)
    votes = []
    for item in range(n_items):
        workers = rng.choice(
            n_workers, size=5 if item < n_items - 143 else 4, replace=False, p=popularity / popularity.sum()
        )
        votes += [(str(item), str(worker), "AB"[int(rng.random() < 0.5)]) for worker in workers]
    started = time.perf_counter()
    summarise(votes)
    return time.perf_counter() - started
