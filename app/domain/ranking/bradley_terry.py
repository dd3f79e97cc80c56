"""Bradley-Terry strengths with ties, ridge and style covariates, by Newton's method.

The difference of row r is d_r = theta_first - theta_second + style_r . beta. All three models of ties are concave in
(theta, beta, tie), so that Newton's method with halved steps finds the one maximum. Counts are added up first, so
that a step costs as much as there are pairs, whatever the number of votes.

Sources: as in `tie_models`; style as in Chatbot Arena (Li, Angelopoulos and Chiang, "Does style matter?", 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from scipy import linalg, sparse

from app.domain.ranking.comparisons import Comparisons, Connectivity, Floats, connectivity
from app.domain.ranking.tie_models import Davidson, HalfWins, RaoKupper, Terms, TieModel

Ties = Literal["davidson", "rao_kupper", "half"]
TIE_MODELS = MappingProxyType[str, TieModel]({"davidson": Davidson(), "rao_kupper": RaoKupper(), "half": HalfWins()})

LARGEST = 5000
"""Players in one fit: the matrix of all pairs is held in memory."""
_STEPS = 100
_LAST_STEP = 1e-6
"""Newton's method squares its error: after a step this small nothing is left to gain."""
_INFINITE = 40.0
"""No data speak for such a difference in logits: the search is on its way to infinity."""


class NotEstimable(ValueError):
    """There are no maximum-likelihood strengths; `connectivity` says who is linked with whom, None where all are."""

    def __init__(self, message: str, found: Connectivity | None = None) -> None:
        super().__init__(message)
        self.connectivity = found


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """`strengths` (players,) in logits with mean zero; `style` (covariates,); `tie` is nu or kappa.

    `tie` is None where ties count as half wins, or where all or no comparisons were tied. `parameters` is all that was
    fitted: strengths, style, and the logarithm of the tie parameter if there is one.
    """

    strengths: Floats
    style: Floats
    tie: float | None
    ties: Ties
    ridge: float
    log_likelihood: float
    parameters: Floats


def fit(
    comparisons: Comparisons, *, ties: Ties = "davidson", ridge: float = 0.0, start: Floats | None = None
) -> BradleyTerry:
    """The strengths of greatest likelihood less ridge / 2 times their sum of squares.

    A ridge is a normal prior of variance 1 / ridge: with it everybody has a strength, the undefeated a finite one, and
    groups that never met are each drawn to zero, which compares them by fiat. Without a ridge NotEstimable is
    raised where likelihood has no maximum, with a sentence that names who is in the way. `start` is an earlier result's
    `parameters`; it is passed over where the tie parameter has come or gone since. ValueError for more than 5,000
    players, or a covariate that is always zero.
    """
    if comparisons.n_players > LARGEST:
        raise ValueError(f"more than {LARGEST} players in one fit: rank the groups that met apart from each other")
    if comparisons.style.shape[1] and not comparisons.style.any(axis=0).all():
        raise ValueError("a style covariate is zero everywhere")
    if ridge <= 0:
        require_estimable(comparisons)
    # A tie parameter has an estimate only where some comparisons were tied and some were not.
    has_both = bool(comparisons.counts[2].any() and comparisons.counts[:2].any())
    used: Ties = ties if has_both else "half"
    problem = Likelihood(comparisons, TIE_MODELS[used], ridge)
    origin = problem.start()
    point = problem.at(start if start is not None and len(start) == len(origin) else origin)
    if point is None:
        raise ValueError("the start is outside the range of the tie parameter")
    for _ in range(_STEPS):
        step = problem.newton_step(point)
        point = _ahead(problem, point, step)
        if float(np.abs(step).max(initial=0.0)) < _LAST_STEP:
            break
        if float(np.abs(point.parameters).max(initial=0.0)) > _INFINITE:
            raise problem.has_no_maximum()
    else:
        raise problem.has_no_maximum()
    parameters = point.parameters
    n = comparisons.n_players
    style = parameters[n : n + comparisons.style.shape[1]]
    tie = float(np.exp(parameters[-1])) if problem.model.start is not None else None
    return BradleyTerry(parameters[:n], style, tie, used, ridge, point.value, parameters)


def require_estimable(comparisons: Comparisons) -> None:
    """NotEstimable, with a sentence about who is in the way, where likelihood has no maximum."""
    found = connectivity(comparisons)
    if found.is_estimable:
        return
    if found.n_groups > 1:
        parts = "; ".join(_named(players) for players in found.members()[:5])
        more = f"; and {found.n_groups - 5} more" if found.n_groups > 5 else ""
        raise NotEstimable(
            f"{found.n_groups} groups of players were never compared with each other: {parts}{more}", found
        )
    reasons = []
    if found.unbeaten:
        reasons.append(f"{_named(found.unbeaten)} never lost to anybody else")
    if found.winless:
        reasons.append(f"{_named(found.winless)} never won against anybody else")
    raise NotEstimable(f"maximum likelihood has no finite strength for all: {' and '.join(reasons)}", found)


def _named(players: list[int] | tuple[int, ...]) -> str:
    shown = ", ".join(map(str, players[:5]))
    return f"players {shown} and {len(players) - 5} more" if len(players) > 5 else f"players {shown}"


@dataclass(frozen=True, slots=True)
class Point:
    """Parameters (players + covariates + tie,) with the penalised log-likelihood there and what its slopes need."""

    parameters: Floats
    value: float
    terms: Terms


def _ahead(problem: Likelihood, point: Point, step: Floats) -> Point:
    """The first of full, half, quarter, ... steps that does not lower the likelihood."""
    length = 1.0
    while length > 1e-8:
        fresh = problem.at(point.parameters + length * step)
        if fresh is not None and fresh.value >= point.value - 1e-10 * abs(point.value):
            return fresh
        length /= 2
    raise problem.has_no_maximum()


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The penalised log-likelihood as a function of the parameters."""

    comparisons: Comparisons
    model: TieModel
    ridge: float

    def start(self) -> Floats:
        zeros = np.zeros(self.comparisons.n_players + self.comparisons.style.shape[1])
        return zeros if self.model.start is None else np.append(zeros, self.model.start)

    def differences(self, parameters: Floats) -> tuple[Floats, float]:
        """(d (rows,), tie parameter)."""
        rows, n = self.comparisons, self.comparisons.n_players
        d = parameters[rows.first] - parameters[rows.second]
        if rows.style.shape[1]:
            d += rows.style @ parameters[n : n + rows.style.shape[1]]
        return d, float(parameters[-1]) if self.model.start is not None else 0.0

    def at(self, parameters: Floats) -> Point | None:
        """None outside the range of the tie parameter."""
        terms = self.model.terms(*self.differences(parameters), self.comparisons.counts)
        if terms is None or not np.isfinite(terms.value):
            return None
        penalty = self.ridge / 2 * float(np.square(parameters[: self.comparisons.n_players]).sum())
        return Point(parameters, terms.value - penalty, terms)

    def gradient(self, point: Point) -> Floats:
        strengths = point.parameters[: self.comparisons.n_players]
        parts = [
            self._by_player(point.terms.slope) - self.ridge * strengths,
            self.comparisons.style.T @ point.terms.slope,
        ]
        if self.model.start is not None:
            parts.append(np.array([point.terms.tie_slope]))
        return np.concatenate(parts)

    def information(self, point: Point) -> Floats:
        """Minus the second derivatives, with the ridge, or else with the square of the sum of the strengths.

        The latter has no effect on a solution with mean zero, and makes the matrix invertible.
        """
        rows, n, p, found = self.comparisons, self.comparisons.n_players, self.comparisons.style.shape[1], point.terms
        size = n + p + (self.model.start is not None)
        matrix = np.zeros((size, size))
        pairs = sparse.csr_array((found.information, (rows.first, rows.second)), shape=(n, n)).toarray()
        strengths = matrix[:n, :n]
        np.add(pairs, pairs.T, out=strengths)
        np.negative(strengths, out=strengths)
        strengths[np.diag_indices(n)] += pairs.sum(axis=0) + pairs.sum(axis=1) + self.ridge
        if self.ridge <= 0:
            strengths += max(float(found.information.sum()), 1e-12) / n**2
        for k in range(p):
            matrix[:n, n + k] = matrix[n + k, :n] = self._by_player(found.information * rows.style[:, k])
        matrix[n : n + p, n : n + p] = rows.style.T @ (found.information[:, None] * rows.style)
        if self.model.start is not None:
            matrix[:n, -1] = matrix[-1, :n] = self._by_player(found.mixed)
            matrix[n : n + p, -1] = matrix[-1, n : n + p] = rows.style.T @ found.mixed
            matrix[-1, -1] = found.tie_information
        return matrix

    def newton_step(self, point: Point) -> Floats:
        try:
            factor = linalg.cho_factor(self.information(point), lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise self.has_no_maximum() from error
        return np.asarray(linalg.cho_solve(factor, self.gradient(point), check_finite=False), dtype=np.float64)

    def has_no_maximum(self) -> NotEstimable:
        """All players are linked by wins and ties both ways, and yet something has no finite estimate."""
        if self.comparisons.style.shape[1]:
            return NotEstimable(
                "maximum likelihood has no finite answer: the style covariates explain some votes perfectly, or cannot "
                "be told apart from each other"
            )
        return NotEstimable(
            "maximum likelihood has no finite answer: among these ties too few votes contradict each other to tell how "
            "strong the players are from how easily they tie; count ties as half wins, or add a ridge"
        )

    def _by_player(self, rows: Floats) -> Floats:
        """Plus to the first and minus to the second player of each row, (players,)."""
        n = self.comparisons.n_players
        return np.asarray(
            np.bincount(self.comparisons.first, weights=rows, minlength=n)
            - np.bincount(self.comparisons.second, weights=rows, minlength=n),
            dtype=np.float64,
        )
