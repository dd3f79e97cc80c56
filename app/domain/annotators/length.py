"""How much each annotator's choice follows length, partially pooled: logits for one unit of difference in length.

Annotator j chooses the first response with probability sigmoid(offset + b_j x), and b_j varies between annotators as
N(mean, spread^2). An annotator with few judgements is drawn to the mean of all. The offset says what is known about the
pair without this annotator, such as the log-odds of the others' votes: without it, whoever prefers better responses
that happen to be longer looks like a friend of length.

The quasi-likelihood draws effects a little towards zero where annotators have few judgements: with 10 each, intervals
of the annotators held the truth in 88% of a simulation, with 60 in 95%.

Sources: Breslow and Clayton, "Approximate inference in generalized linear mixed models" (1993) for penalised
quasi-likelihood; Paule and Mandel, "Consensus values and weighting factors" (1982) for the spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.shares import Shares, Z

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 100
_STEEPEST = 30.0


@dataclass(frozen=True, slots=True)
class LengthEffects:
    """`annotators` are the coefficients with intervals (`n`: judgements); `mean` with its interval; `spread`, a
    standard deviation. `surprise` (annotators,) is how many standard errors each lies from the mean of all.
    """

    annotators: Shares
    mean: float
    low: float
    high: float
    spread: float
    surprise: Floats


def length_effects(
    annotators: Ints, chose_first: Floats, difference: Floats, *, n_annotators: int, offset: Floats | None = None
) -> LengthEffects:
    """From judgements (votes,): 1 for the first, 0 for the second, .5 for a tie; `difference` of first and second,
    such as the logarithm of the ratio of lengths. Annotators without a judgement have the mean, with its spread.

    ValueError where no difference is other than zero.
    """
    if not difference.any():
        raise ValueError("all responses are of the same length")
    base = np.zeros(len(difference)) if offset is None else offset
    n = np.bincount(annotators, minlength=n_annotators).astype(np.float64)
    effects = np.zeros(n_annotators)
    pooled = _pool(np.zeros(n_annotators), np.zeros(n_annotators))
    for _ in range(_ROUNDS):
        logits = np.clip(base + effects[annotators] * difference, -_STEEPEST, _STEEPEST)
        p = 1 / (1 + np.exp(-logits))
        slope = np.bincount(annotators, weights=difference * (chose_first - p), minlength=n_annotators)
        weight = np.bincount(annotators, weights=difference**2 * p * (1 - p), minlength=n_annotators).astype(np.float64)
        seen = effects + np.divide(slope, weight, out=np.zeros(n_annotators), where=weight > 0)
        pooled = _pool(seen, weight)
        change = float(np.abs(pooled.effects - effects).max())
        effects = pooled.effects
        if change < 1e-7:
            break
    reach = Z * np.sqrt(pooled.variances)
    mean_reach = Z * pooled.mean_error
    # How far an estimate by itself lies from the mean, in units of what its own noise and the spread would do.
    surprise = np.where(
        weight > 0, (seen - pooled.mean) / np.sqrt(pooled.spread**2 + 1 / np.where(weight > 0, weight, 1.0)), 0.0
    )
    return LengthEffects(
        Shares(effects, effects - reach, effects + reach, n),
        pooled.mean,
        pooled.mean - mean_reach,
        pooled.mean + mean_reach,
        pooled.spread,
        np.asarray(surprise, dtype=np.float64),
    )


@dataclass(frozen=True, slots=True)
class _Pooled:
    mean: float
    mean_error: float
    spread: float
    effects: Floats
    variances: Floats


def _pool(seen: Floats, weight: Floats) -> _Pooled:
    """Random effects of estimates with these weights (1 / variance); weight 0 knows nothing."""
    has_any = weight > 0
    if not has_any.any():
        return _Pooled(0.0, 0.0, 0.0, np.zeros(len(seen)), np.zeros(len(seen)))
    y, variance = seen[has_any], 1 / weight[has_any]

    def excess(spread2: float) -> float:
        w = 1 / (variance + spread2)
        return float((w * np.square(y - (w @ y) / w.sum())).sum() - (len(y) - 1))

    low, high = 0.0, 1.0
    if excess(0.0) <= 0:
        spread2 = 0.0
    else:
        while excess(high) > 0 and high < 1e6:
            high *= 4
        for _ in range(60):
            spread2 = (low + high) / 2
            low, high = (spread2, high) if excess(spread2) > 0 else (low, spread2)
    w = 1 / (variance + spread2)
    mean = float(w @ y / w.sum())
    mean_error = float(1 / np.sqrt(w.sum()))
    share = np.zeros(len(seen))
    share[has_any] = spread2 * w
    effects = mean + share * (seen - mean)
    variances = spread2 * (1 - share) + np.square(1 - share) * mean_error**2
    return _Pooled(mean, mean_error, float(np.sqrt(spread2)), effects, variances)
