"""Strengths from choices out of several and from rankings: Plackett and Luce, by Newton's method.

The winner w of a set S is chosen with probability exp(theta_w) / sum over S of exp(theta). A ranking is a row of such
choices: the best of all, the best of the rest, and so on. With sets of two it is Bradley-Terry without ties.

Sources: Luce, "Individual Choice Behavior" (1959); Plackett, "The analysis of permutations" (1975); Hunter, "MM
algorithms for generalized Bradley-Terry models" (2004) for when the strengths exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from app.domain.ranking.bradley_terry import NotEstimable, require_estimable
from app.domain.ranking.comparisons import Comparisons, Floats, Ints

_STEPS = 100
_LAST_STEP = 1e-6


@dataclass(frozen=True, slots=True)
class Choices:
    """`members` (choices, largest set), the winner first and -1 where a set is smaller."""

    n_players: int
    members: Ints


def from_rankings(rankings: Sequence[Sequence[int]], *, n_players: int) -> Choices:
    """The choices within rankings of codes, the best first; the last place is no choice."""
    return from_sets(
        [(ranking[place], ranking[place + 1 :]) for ranking in rankings for place in range(len(ranking) - 1)],
        n_players=n_players,
    )


def from_sets(choices: Sequence[tuple[int, Sequence[int]]], *, n_players: int) -> Choices:
    """(winner, the others in the set) each. ValueError where a set holds somebody twice."""
    members = np.full((len(choices), max((1 + len(others) for _, others in choices), default=1)), -1, dtype=np.int64)
    for row, (winner, others) in enumerate(choices):
        if len({winner, *others}) != 1 + len(others):
            raise ValueError("a set cannot hold the same player twice")
        members[row, : 1 + len(others)] = [winner, *others]
    return Choices(n_players, members)


def fit(choices: Choices, *, ridge: float = 0.0) -> Floats:
    """Strengths (players,) in logits with mean zero, of greatest likelihood less ridge / 2 times their squares.

    NotEstimable as for Bradley-Terry, each winner having beaten all others of the set.
    """
    n, members = choices.n_players, choices.members
    is_member = members >= 0
    places = np.where(is_member, members, 0)
    if ridge <= 0:
        winners = np.broadcast_to(members[:, :1], members[:, 1:].shape)[is_member[:, 1:]]
        losers = members[:, 1:][is_member[:, 1:]]
        wins = np.stack([np.ones(len(winners)), np.zeros(len(winners)), np.zeros(len(winners))])
        require_estimable(Comparisons(n, winners, losers, wins, np.zeros((len(winners), 0))))
    won = np.bincount(members[:, 0], minlength=n).astype(np.float64)
    cells = (places[:, :, None] * n + places[:, None, :]).ravel()
    strengths, value = np.zeros(n), -np.inf
    step = np.zeros(n)
    for _ in range(_STEPS):
        shares, fresh = _shares(strengths + step, places, is_member)
        fresh += float(won @ (strengths + step)) - ridge / 2 * float(np.square(strengths + step).sum())
        if fresh < value - 1e-10 * abs(value):
            step /= 2
            continue
        strengths, value = strengths + step, fresh
        if step.any() and float(np.abs(step).max()) < _LAST_STEP:
            return strengths
        expected = np.bincount(places.ravel(), weights=shares.ravel(), minlength=n)
        products = (shares[:, :, None] * shares[:, None, :]).ravel()
        information: Floats = np.diag(expected + ridge) - np.bincount(cells, weights=products, minlength=n * n).reshape(
            n, n
        )
        if ridge <= 0:  # the strengths' mean is free: hold it at zero
            information = information + float(expected.sum()) / n**2
        gradient = won - expected - ridge * strengths
        if not gradient.any():
            return strengths
        step = linalg.solve(information, gradient, assume_a="pos", check_finite=False)
    raise NotEstimable("maximum likelihood has no finite answer for these choices; add a ridge")


def _shares(
    strengths: Floats, places: Ints, is_member: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> tuple[Floats, float]:
    """Each member's chance to be chosen (choices, largest set), and minus the sum of the logarithms of the totals."""
    logits = np.where(is_member, strengths[places], -np.inf)
    highest = logits.max(axis=1, keepdims=True)
    weights = np.exp(logits - highest)
    totals = weights.sum(axis=1, keepdims=True)
    return weights / totals, -float((highest + np.log(totals)).sum())
