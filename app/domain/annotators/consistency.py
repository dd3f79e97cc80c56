"""Whether annotators agree with themselves: repeats with the sides exchanged, and circles among three responses.

Sources: Kendall and Babington Smith, "On the method of paired comparisons" (1940) for circular triads; one triad in
four of random answers is circular.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from app.domain.shares import Shares, wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RANDOM_CIRCULAR_SHARE = 0.25


def repeat_rate(accuracy: float) -> float:
    """How often somebody repeats an answer who is right with this probability on either: p^2 + (1 - p)^2."""
    return accuracy**2 + (1 - accuracy) ** 2


def accuracy_from_repeats(rate: float) -> float:
    """The inverse, at least one half; a rate under one half, as of those who choose by side, gives one half."""
    return (1 + math.sqrt(max(2 * rate - 1, 0.0))) / 2


def repeats(annotators: Ints, first: Ints, again: Ints, *, n_annotators: int) -> Shares:
    """Each annotator's share of answers that stayed when the same pair came again with its sides exchanged.

    `first` and `again` (repeats,) are answers about responses, not about sides: who always takes the left one changes
    their mind every time.
    """
    same = np.bincount(annotators, weights=first == again, minlength=n_annotators).astype(np.float64)
    return wilson(same, np.bincount(annotators, minlength=n_annotators).astype(np.float64))


def circular_triads(
    annotators: Ints, winners: Ints, losers: Ints, *, n_annotators: int, n_responses: int
) -> tuple[Ints, Ints]:
    """(circular, all) triads of each annotator, (annotators,), from judgements (votes,) that took a side.

    A triad is three responses of which somebody judged all three pairs: A over B, B over C, C over A is circular. Pairs
    that were judged several times count by the balance, and not at all where it is even. Codes from 0.
    """
    known, nodes = np.unique(
        np.concatenate([annotators * n_responses + winners, annotators * n_responses + losers]), return_inverse=True
    )
    nodes = nodes.ravel()
    size = len(known)
    votes = sparse.csr_array(
        (np.ones(len(winners)), (nodes[: len(winners)], nodes[len(winners) :])), shape=(size, size)
    )
    balance = votes - votes.T
    beats = sparse.csr_array(balance > 0).astype(np.float64)
    pairs = beats + beats.T
    # Paths of two steps that the third pair closes: three for each circle, six for each triad.
    circles = ((beats @ beats) * beats.T).sum(axis=1)
    triads = ((pairs @ pairs) * pairs).sum(axis=1)
    owner = known // n_responses
    counted = [np.bincount(owner, weights=np.asarray(x).ravel(), minlength=n_annotators) for x in (circles, triads)]
    return np.rint(counted[0] / 3).astype(np.int64), np.rint(counted[1] / 6).astype(np.int64)
