"""From votes to labels: the soft vote that training uses, and the majority (Dawid and Skene: beside it)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALLEST_AGREEMENT = 0.55
LARGEST_AGREEMENT = 0.99


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
