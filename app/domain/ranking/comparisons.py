"""Comparisons as counts, and whether they hold together well enough for strengths to exist.

Source: Ford, "Solution of a ranking problem from binary comparisons" (1957): the maximum-likelihood strengths exist and
are unique exactly when there is no way to part the players into two groups without somebody of each group having
beaten somebody of the other. A tie counts as a win for both, as it speaks for both in the models of ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIN, TIE, LOSS = 1, 0, -1
"""Outcomes of a comparison, for its first player."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """`first` and `second` (rows,) are codes of players; `counts` (3, rows) how often the first won, lost, tied.

    `style` (rows, covariates) are differences between the first's and the second's response; no columns without.
    """

    n_players: int
    first: Ints
    second: Ints
    counts: Floats
    style: Floats

    @property
    def n_votes(self) -> float:
        return float(self.counts.sum())


def tally(first: Ints, second: Ints, outcomes: Ints, *, n_players: int, weights: Floats | None = None) -> Comparisons:
    """Votes (votes,) added up by pair; in a row the player with the lower code stands first.

    `outcomes` are WIN, TIE or LOSS of the first player. A player compared with itself is a ValueError.
    """
    if (first == second).any():
        raise ValueError("a player cannot be compared with itself")
    is_ordered = first < second
    pair = np.where(is_ordered, first * n_players + second, second * n_players + first)
    kind = np.array([2, 0, 1])[np.where(is_ordered, outcomes, -outcomes)]  # by outcome 0, 1, -1
    if n_players**2 <= 4 * len(pair) + 10_000:
        known = np.flatnonzero(np.bincount(pair, minlength=n_players**2))
        place = np.zeros(n_players**2, dtype=np.int64)
        place[known] = np.arange(len(known))
        row = place[pair]
    else:
        known, row = np.unique(pair, return_inverse=True)
    counts = np.bincount(kind * len(known) + row, weights=weights, minlength=3 * len(known)).reshape(3, -1)
    return Comparisons(
        n_players, known // n_players, known % n_players, counts.astype(np.float64), np.zeros((len(known), 0))
    )


def one_by_one(
    first: Ints,
    second: Ints,
    outcomes: Ints,
    *,
    n_players: int,
    style: Floats | None = None,
    weights: Floats | None = None,
) -> Comparisons:
    """A row a vote, sides kept: for style covariates, and for intervals over clusters of votes."""
    if (first == second).any():
        raise ValueError("a player cannot be compared with itself")
    counts = np.zeros((3, len(first)))
    counts[np.array([2, 0, 1])[outcomes], np.arange(len(first))] = 1.0 if weights is None else weights
    return Comparisons(n_players, first, second, counts, np.zeros((len(first), 0)) if style is None else style)


def relative_differences(first: Floats, second: Floats) -> Floats:
    """(a - b) / (a + b) of features (rows, covariates), each column divided by its standard deviation.

    As in the style control of Chatbot Arena (Li, Angelopoulos and Chiang, "Does style matter?", 2024): length, lists,
    headers, bold. Two zeros differ by 0; a column that never differs stays 0, and has no coefficient.
    """
    total = first + second
    difference = np.divide(first - second, total, out=np.zeros_like(total, dtype=np.float64), where=total != 0)
    spread = difference.std(axis=0)
    return np.asarray(difference / np.where(spread > 0, spread, 1.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Connectivity:
    """`groups` (players,): who is linked by comparisons at all; `classes` (players,): who is linked by wins both ways.

    Strengths in different groups cannot be compared. Within a group of several classes some have none either:
    `unbeaten` never lost or tied against anybody outside their own class, `winless` never won or tied, and
    maximum likelihood would put them infinitely high or low.
    """

    groups: Ints
    classes: Ints
    unbeaten: tuple[int, ...]
    winless: tuple[int, ...]

    @property
    def n_groups(self) -> int:
        return int(self.groups.max(initial=-1)) + 1

    @property
    def is_estimable(self) -> bool:
        return self.n_groups == 1 and int(self.classes.max(initial=-1)) == 0

    def members(self) -> list[list[int]]:
        """The players of each group, the largest group first."""
        found = [np.flatnonzero(self.groups == group).tolist() for group in range(self.n_groups)]
        return sorted(found, key=lambda players: (-len(players), players))


def connectivity(comparisons: Comparisons) -> Connectivity:
    """Of the comparisons with a count above zero."""
    n = comparisons.n_players
    won, lost, tied = comparisons.counts
    first, second = comparisons.first, comparisons.second
    beats, beaten = (won > 0) | (tied > 0), (lost > 0) | (tied > 0)
    winners = np.concatenate([first[beats], second[beaten]])
    losers = np.concatenate([second[beats], first[beaten]])
    graph = sparse.csr_array((np.ones(len(winners)), (winners, losers)), shape=(n, n))
    _, groups = csgraph.connected_components(graph, connection="weak")
    n_classes, classes = csgraph.connected_components(graph, connection="strong")
    crossing = classes[winners] != classes[losers]
    has_lost, has_won = np.zeros(n_classes, dtype=bool), np.zeros(n_classes, dtype=bool)
    has_lost[classes[losers[crossing]]] = True
    has_won[classes[winners[crossing]]] = True
    return Connectivity(
        groups.astype(np.int64),
        classes.astype(np.int64),
        tuple(np.flatnonzero((has_won & ~has_lost)[classes]).tolist()),
        tuple(np.flatnonzero((has_lost & ~has_won)[classes]).tolist()),
    )
