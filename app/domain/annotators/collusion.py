"""Pairs of annotators who agree more than two who work apart could: copied answers, or one person twice.

Two good annotators agree often, because both are right. What gives a pair away is agreement beyond that: under Dawid
and Skene's model, with the pair's own two votes taken out of an item's posterior, the chance that they agree on it is
sum over k of P(k) times sum over l of C_i[k, l] C_j[k, l]. Over the items that both judged, the number of agreements
is held against the sum of these chances. It is a reason to look, never to pause: friends with one taste look alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from app.domain.agreement import Floats, Ints
from app.domain.agreement_intervals import pairs_of_votes
from app.domain.dawid_skene import DawidSkene

MINIMUM_ITEMS = 10


@dataclass(frozen=True, slots=True)
class PairExcess:
    """(pairs,): annotators `first` < `second`, items that both judged, how often they agreed and were expected to, and
    the one-sided p-value of that (normal approximation, corrected for continuity).
    """

    first: Ints
    second: Ints
    n_items: Ints
    agreed: Floats
    expected: Floats
    p_values: Floats


def pair_excess(
    items: Ints, annotators: Ints, labels: Ints, model: DawidSkene, *, minimum_items: int = MINIMUM_ITEMS
) -> PairExcess:
    """From votes (votes,) as codes, and a model fitted to them; pairs with fewer common items are left out.

    The p-values are for `disagreement.discoveries`: among many pairs, some agree often by chance.
    """
    pairs = pairs_of_votes(items)
    one, two = pairs[:, 0], pairs[:, 1]
    is_other_way = annotators[one] > annotators[two]
    one, two = np.where(is_other_way, two, one), np.where(is_other_way, one, two)
    confusion = np.maximum(model.confusion, 1e-12)
    left, right = confusion[annotators[one]], confusion[annotators[two]]
    rows = np.arange(len(one))
    without = np.log(np.maximum(model.posterior[items[one]], 1e-300))
    without -= np.log(left[rows, :, labels[one]]) + np.log(right[rows, :, labels[two]])
    without = np.exp(without - without.max(axis=1, keepdims=True, initial=-np.inf))
    without /= without.sum(axis=1, keepdims=True)
    chance = (without * (left * right).sum(axis=2)).sum(axis=1)
    n_annotators = len(model.confusion)
    known, code, n = np.unique(
        annotators[one] * n_annotators + annotators[two], return_inverse=True, return_counts=True
    )
    code = code.ravel()
    agreed = np.bincount(code, weights=labels[one] == labels[two], minlength=len(known))
    expected = np.bincount(code, weights=chance, minlength=len(known))
    variance = np.bincount(code, weights=chance * (1 - chance), minlength=len(known))
    is_kept = n >= minimum_items
    score = (agreed - 0.5 - expected) / np.sqrt(np.maximum(variance, 1e-12))
    return PairExcess(
        (known // n_annotators)[is_kept],
        (known % n_annotators)[is_kept],
        n[is_kept],
        agreed[is_kept].astype(np.float64),
        expected[is_kept].astype(np.float64),
        _upper_tail(score)[is_kept],
    )


def _upper_tail(score: NDArray[np.float64]) -> Floats:
    return np.asarray(special.ndtr(-score), dtype=np.float64)
