"""How often each annotator is right, drawn towards the others as far as the numbers are small, and the funnel.

Each one's accuracy comes from Beta(a, b), the distribution over annotators, which is estimated from all of them; the
posterior of k right of n is Beta(a + k, b + n - k). A league table would order noise: the funnel shows who is outside
of what chance does with so many answers.

Sources: Morris, "Parametric empirical Bayes inference" (1983); Minka, "Estimating a Dirichlet distribution" (2000) for
the fixed-point iteration; Spiegelhalter, "Funnel plots for comparing institutional performance" (2005), appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from app.domain.shares import Shares

Floats = NDArray[np.float64]

LIMITS = (0.95, 0.998)
_LEVEL = 0.95
_FEWEST = 5
_LARGEST = 1e4
_ITERATIONS = 2000


@dataclass(frozen=True, slots=True)
class Population:
    """Accuracies over annotators follow Beta(a, b)."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)


def population(right: Floats, answered: Floats) -> Population:
    """The Beta distribution that makes k of n right, (annotators,) each, likeliest.

    With fewer than five annotators who answered anything it is flat; where chance alone explains all differences,
    a + b ends at 10,000.
    """
    has_any = answered > 0
    k, n = right[has_any], answered[has_any]
    if len(k) < _FEWEST:
        return Population(1.0, 1.0)
    mean = float(np.clip((k.sum() + 0.5) / (n.sum() + 1), 1e-3, 1 - 1e-3))
    a, b = 10 * mean, 10 * (1 - mean)
    # There are far fewer different counts than annotators.
    tallies = [np.unique(counts, return_counts=True) for counts in (k, n - k, n)]
    for _ in range(_ITERATIONS):
        rises = [
            float(times @ (special.digamma(counts + x) - special.digamma(x)))
            for (counts, times), x in zip(tallies, (a, b, a + b), strict=True)
        ]
        fresh_a, fresh_b = a * rises[0] / rises[2], b * rises[1] / rises[2]
        change = abs(fresh_a - a) / a + abs(fresh_b - b) / b
        a, b = max(fresh_a, 1e-3), max(fresh_b, 1e-3)
        if change < 1e-7:
            break
        if a + b > _LARGEST:
            a, b = _LARGEST * a / (a + b), _LARGEST * b / (a + b)
            break
    return Population(a, b)


def skill(right: Floats, answered: Floats, *, among: Population | None = None) -> Shares:
    """Posterior mean and the central 95% of each annotator's accuracy, (annotators,); `n` is what they answered."""
    among = among or population(right, answered)
    a, b = among.a + right, among.b + answered - right
    tail = (1 - _LEVEL) / 2
    return Shares(
        np.asarray(a / (a + b), dtype=np.float64),
        np.asarray(special.betaincinv(a, b, tail), dtype=np.float64),
        np.asarray(special.betaincinv(a, b, 1 - tail), dtype=np.float64),
        np.asarray(answered, dtype=np.float64),
    )


def funnel(answered: Floats, *, target: float, level: float, among: Population | None = None) -> tuple[Floats, Floats]:
    """(low, high) limits of the share right among n answers, (sizes,), if true accuracy is `target` for everybody.

    Exact binomial limits, interpolated between whole numbers so that the funnel is smooth. With `among`, normal limits
    that also hold the spread between annotators: outside is who differs from the crowd by more than it differs.
    """
    tail = (1 - level) / 2
    n = np.asarray(answered, dtype=np.float64)
    if among is not None:
        mean, total = among.mean, among.a + among.b
        variance = mean * (1 - mean) / n * (total + n) / (total + 1)
        reach = float(special.ndtri(1 - tail)) * np.sqrt(variance)
        return np.clip(mean - reach, 0.0, 1.0), np.clip(mean + reach, 0.0, 1.0)
    return _binomial_limit(n, target, tail), _binomial_limit(n, target, 1 - tail)


def _binomial_limit(n: Floats, p: float, q: float) -> Floats:
    """(r - (F(r) - q) / (F(r) - F(r - 1))) / n with r the smallest count of which F(r) >= q."""
    low, high = np.zeros(len(n)), n.copy()
    while bool((low < high).any()):
        middle = np.floor((low + high) / 2)
        is_enough = special.bdtr(middle, n.astype(np.int64), p) >= q
        high = np.where((low < high) & is_enough, middle, high)
        low = np.where((low < high) & ~is_enough, middle + 1, low)
    up_to = special.bdtr(low, n.astype(np.int64), p)
    before = np.where(low > 0, special.bdtr(np.maximum(low - 1, 0), n.astype(np.int64), p), 0.0)
    return np.asarray(np.clip((low - (up_to - q) / (up_to - before)) / n, 0.0, 1.0), dtype=np.float64)
