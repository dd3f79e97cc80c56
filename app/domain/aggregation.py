"""From votes to labels: the soft vote that training uses, and Dawid and Skene's model of annotators.

Sources: Dawid and Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm" (1979); the
Dirichlet prior on each annotator's confusion matrix follows Paun et al., "Comparing Bayesian models of annotation"
(2018), and is what keeps annotators with few votes from being believed too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALLEST_AGREEMENT = 0.55
LARGEST_AGREEMENT = 0.99
PRIOR_DIAGONAL = 2.5
PRIOR_OFF_DIAGONAL = 0.5


def pseudo_votes(agreement: float) -> float:
    """a = (1 - P) / (2P - 1), how many half-and-half votes each side starts with.

    P is the probability that two annotators agree, kept within [.55, .99]: the less people agree, the more a label
    is drawn to one half. With n unanimous votes p is then about the chance that one more vote would agree.
    """
    p = min(max(agreement, SMALLEST_AGREEMENT), LARGEST_AGREEMENT)
    return (1 - p) / (2 * p - 1)


def soft_labels(items: Ints, values: Floats, weights: Floats, *, n_items: int, agreement: float) -> Floats:
    """p of each item, (n_items,): (a + sum w v) / (2a + sum w) for vote values v in [0, 1] and weights w."""
    a = pseudo_votes(agreement)
    total = np.bincount(items, weights=weights, minlength=n_items)
    in_favour = np.bincount(items, weights=weights * values, minlength=n_items)
    return np.asarray((a + in_favour) / (2 * a + total), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """`posterior` (items, labels), `prevalence` (labels,), `confusion` (annotators, true label, given label)."""

    posterior: Floats
    prevalence: Floats
    confusion: Floats
    n_iterations: int
    has_converged: bool


def majority(items: Ints, labels: Ints, *, n_items: int, n_labels: int) -> Floats:
    """Shares of votes, (n_items, n_labels); items without a vote get equal shares."""
    counts = np.bincount(items * n_labels + labels, minlength=n_items * n_labels).reshape(n_items, n_labels)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 1 / n_labels)


def most_voted(counts: Floats, *, ties_to: Sequence[int]) -> Ints:
    """The label with most votes of each item, (items,), from counts (items, labels).

    `ties_to` lists all labels; among those with most votes the one that stands first in it wins.
    """
    order = np.array(ties_to, dtype=np.int64)
    return np.asarray(order[counts[:, order].argmax(axis=1)], dtype=np.int64)


def dawid_skene(
    items: Ints,
    annotators: Ints,
    labels: Ints,
    *,
    n_items: int,
    n_annotators: int,
    n_labels: int,
    prior_diagonal: float = PRIOR_DIAGONAL,
    prior_off_diagonal: float = PRIOR_OFF_DIAGONAL,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
) -> DawidSkene:
    """Expectation-maximisation from the majority vote; the prior counts as votes already seen (0 gives maximum
    likelihood). (votes,) codes from 0.
    """
    prior = np.full((n_labels, n_labels), prior_off_diagonal)
    np.fill_diagonal(prior, prior_diagonal)
    posterior = majority(items, labels, n_items=n_items, n_labels=n_labels)
    cell = annotators * n_labels + labels
    iteration, change = 0, np.inf
    while iteration < max_iterations and change > tolerance:
        iteration += 1
        confusion = _confusion(posterior[items], cell, prior, n_annotators=n_annotators)
        prevalence = posterior.mean(axis=0)
        evidence = np.log(np.maximum(confusion, 1e-300)).transpose(0, 2, 1).reshape(-1, n_labels)[cell]
        joint = np.stack(
            [np.bincount(items, weights=evidence[:, k], minlength=n_items) for k in range(n_labels)], axis=1
        ) + np.log(np.maximum(prevalence, 1e-300))
        joint -= joint.max(axis=1, keepdims=True)
        fresh = np.exp(joint)
        fresh /= fresh.sum(axis=1, keepdims=True)
        change = float(np.abs(fresh - posterior).max())
        posterior = fresh
    return DawidSkene(posterior, prevalence, confusion, iteration, bool(change <= tolerance))


def _confusion(weight: Floats, cell: Ints, prior: Floats, *, n_annotators: int) -> Floats:
    """(annotators, true, given) from each vote's posterior (votes, labels) and its annotator-and-label cell."""
    n_labels = weight.shape[1]
    seen = np.stack(
        [np.bincount(cell, weights=weight[:, k], minlength=n_annotators * n_labels) for k in range(n_labels)], axis=1
    ).reshape(n_annotators, n_labels, n_labels)
    counted = seen.transpose(0, 2, 1) + prior
    total = counted.sum(axis=2, keepdims=True)
    return np.asarray(np.where(total > 0, counted / np.maximum(total, 1e-300), 1 / n_labels), dtype=np.float64)
