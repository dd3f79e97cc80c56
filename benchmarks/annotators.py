"""How often checks of annotators find what they look for, and blame who is innocent: simulated beside the published.

Every figure of `simulate` stands beside its published value; `is_met` says whether they lie within three standard
errors of each other (both are simulated, the published ones over 20,000 annotators).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app.domain import sequential
from app.domain.annotators import consistency, position
from app.domain.annotators.gold import Cusum, cusum_paths, sprt_paths
from app.domain.dawid_skene import dawid_skene

SIMULATED = 20_000
PUBLISHED = 20_000
BLOCKED = {0.50: 0.994, 0.60: 0.920, 0.70: 0.495, 0.80: 0.053, 0.85: 0.007, 0.90: 0.000}
GOLDS = {0.50: 15.6, 0.60: 24.6, 0.70: 35.7, 0.80: 28.9, 0.85: 20.8, 0.90: 14.8}
LEFT = {100: 0.45, 200: 0.96, 500: 1.0}
LONGEST_RUN = 12_000


@dataclass(frozen=True, slots=True)
class Figure:
    """`slack` is three standard errors of the difference, and what rounding the published value may have hidden."""

    name: str
    published: float
    found: float
    slack: float

    @property
    def is_met(self) -> bool:
        return abs(self.found - self.published) <= self.slack


def share(name: str, published: float, hits: np.ndarray[Any, Any], *, digits: int = 3) -> Figure:
    found = float(hits.mean())
    middle = min(max((found + published) / 2, 1 / len(hits)), 1 - 1 / len(hits))
    error = math.sqrt(middle * (1 - middle) * (1 / len(hits) + 1 / PUBLISHED))
    return Figure(name, published, found, 3 * error + 0.5 * 10**-digits)


def mean(name: str, published: float, values: np.ndarray[Any, Any], *, digits: int = 1) -> Figure:
    error = float(values.std()) * math.sqrt(1 / len(values) + 1 / PUBLISHED)
    return Figure(name, published, float(values.mean()), 3 * error + 0.5 * 10**-digits)


def gold(rng: np.random.Generator, n: int) -> list[Figure]:
    found = []
    for accuracy, published in BLOCKED.items():
        verdicts, golds = sprt_paths(rng.random((n, 60)) < accuracy)
        found.append(share(f"gold SPRT, right {accuracy:.2f}: blocked", published, verdicts == 1))
        found.append(mean(f"gold SPRT, right {accuracy:.2f}: golds to a decision", GOLDS[accuracy], golds))
    return found


def drift(rng: np.random.Generator, n: int) -> list[Figure]:
    """Runs are cut at 12,000 golds without an alarm, which one in 4,000 reaches."""
    chart = Cusum()
    found = []
    for name, accuracy, published, longest in (
        ("CUSUM, right .88: golds between false alarms", 0.88, 1463.0, LONGEST_RUN),
        ("CUSUM, right .65: golds until the alarm", 0.65, 25.0, 400),
    ):
        runs = []
        for start in range(0, n, 500):
            size = min(500, n - start)
            is_over = cusum_paths(rng.random((size, longest)) < accuracy, chart=chart) >= chart.h
            runs.append(np.where(is_over.any(axis=1), is_over.argmax(axis=1) + 1, longest))
        found.append(mean(name, published, np.concatenate(runs), digits=0))
    return found


def side(rng: np.random.Generator, n: int) -> list[Figure]:
    judgements = np.arange(1, 501)
    found = []
    for p in (0.7, 0.5):
        left = np.cumsum(rng.random((n, 500)) < p, axis=1)
        was_flagged = np.maximum.accumulate(position.log_evidence(left, judgements - left), axis=1) >= math.log(1000)
        if p == 0.5:
            found.append(
                Figure("position, left .50: ever flagged, at most .001", 0.0, was_flagged[:, -1].mean(), 0.001)
            )
        else:
            found += [
                share(f"position, left .70: flagged by {at}", published, was_flagged[:, at - 1], digits=2)
                for at, published in LEFT.items()
            ]
    always = position.log_evidence(judgements, 0 * judgements) >= math.log(1000)
    found.append(Figure("position, always left: judgements until flagged", 25.0, float(always.argmax() + 1), 0.0))
    return found


def self_consistency(rng: np.random.Generator, n: int) -> list[Figure]:
    is_right = rng.random((2, n)) < 0.85
    votes = rng.random((n, 3)) < 0.5  # a over b, b over c, c over a
    who = np.repeat(np.arange(n), 3)
    ahead, behind = np.tile([0, 1, 2], n), np.tile([1, 2, 0], n)
    wins = votes.ravel()
    circular, _ = consistency.circular_triads(
        who, np.where(wins, ahead, behind), np.where(wins, behind, ahead), n_annotators=n, n_responses=3
    )
    return [
        share("swapped repeats at accuracy .85: the same answer", 0.745, is_right[0] == is_right[1]),
        share("circular triads of random answers", 0.25, circular == 1, digits=2),
    ]


def looking(rng: np.random.Generator, n: int) -> list[Figure]:
    votes = np.arange(25, 2001, 25)
    found = []
    for p in (0.5, 0.55):
        wins = np.cumsum(rng.binomial(25, p, size=(n, len(votes))), axis=1)
        is_declared = (sequential.log_evidence(wins, votes - wins) >= math.log(20)).any(axis=1)
        if p == 0.5:
            naive = (np.abs(wins - votes / 2) > 1.959964 * np.sqrt(votes / 4)).any(axis=1)
            found.append(share("naive z-test of equals, looking 80 times: a winner", 0.375, naive))
            found.append(Figure("mixture, equals: a winner, at most .05", 0.022, is_declared.mean(), 0.028))
        else:
            found.append(share("mixture, true .55: a winner", 0.948, is_declared))
    return found


PLANTED = ("honest", "always left", "adversarial", "random")


def planted(seeds: range, *, n: int = 300) -> dict[str, float]:
    """Share found of 15 planted of each kind among `n` annotators, 60 votes each, overlap 3, one honest in 100 blamed.

    Honest accuracies follow Beta(17, 3), adversaries are right in 20%. Who always takes the left is looked for by
    position, the others by the accuracy that Dawid and Skene's model gives them.
    """
    by_skill, by_side, kinds = [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        kind = np.zeros(n, dtype=np.int64)
        kind[:45] = np.repeat([1, 2, 3], 15)
        accuracy = np.where(kind == 2, 0.2, np.where(kind == 3, 0.5, rng.beta(17, 3, n)))
        annotators = np.concatenate([rng.permutation(n) for _ in range(60)])
        items = np.arange(len(annotators)) // 3
        truth = rng.integers(2, size=items[-1] + 1)
        is_swapped = rng.random(len(items)) < 0.5
        labels = np.where(rng.random(len(items)) < accuracy[annotators], truth[items], 1 - truth[items])
        labels = np.where(kind[annotators] == 1, is_swapped, labels)
        left = np.bincount(annotators, weights=labels == is_swapped, minlength=n)
        found = dawid_skene(items, annotators, labels, n_items=len(truth), n_annotators=n, n_labels=2)
        by_skill.append(np.trace(found.confusion, axis1=1, axis2=2) / 2)
        by_side.append(-position.log_evidence(left, 60 - left))
        kinds.append(kind)
    which = np.concatenate(kinds)
    rates = {}
    for code, name in enumerate(PLANTED[1:], start=1):
        score = np.concatenate(by_side if code == 1 else by_skill)
        rates[name] = float((score[which == code] < np.quantile(score[which == 0], 0.01)).mean())
    return rates


def simulate(n: int, *, seed: int = 1) -> list[Figure]:
    rng = np.random.default_rng(seed)
    return [
        *gold(rng, n),
        *drift(rng, min(n, 4000)),
        *side(rng, n),
        *self_consistency(rng, n),
        *looking(rng, n),
    ]


def measure() -> dict[str, Any]:
    figures = simulate(SIMULATED)
    for figure in figures:
        print(f"{figure.name:<55} {figure.published:9.3f} {figure.found:9.3f} {'' if figure.is_met else '  NOT MET'}")
    rates = planted(range(100))
    print(f"planted, found at 1% false positives: {rates} (published: always left .97, adversarial 1.0, random .82)")
    return {
        "simulated": SIMULATED,
        "figures": [asdict(figure) | {"is_met": figure.is_met} for figure in figures],
        "planted": rates,
        "all_met": all(figure.is_met for figure in figures),
    }
