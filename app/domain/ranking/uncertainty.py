"""How sure strengths are: the sandwich covariance, by votes or by clusters of votes, and the bootstrap over clusters.

Votes of one annotator, or on one prompt, hang together; intervals that take them as independent are too narrow. The
sandwich does not need the model to be right either.

Sources: Huber (1967) and White (1982) for the sandwich; Liang and Zeger (1986) for clusters, with C / (C - 1) and
Student's t for few of them; Efron and Tibshirani (1993) for the bootstrap; ranks as in Chatbot Arena (Chiang et al.,
2024), from differences of strengths.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from scipy import linalg, sparse, special

from app.domain.agreement import multiplicities
from app.domain.ranking.bradley_terry import TIE_MODELS, BradleyTerry, Likelihood, NotEstimable, fit
from app.domain.ranking.comparisons import Comparisons, Floats, Ints

LEVEL = 0.95
_DENSE_BLOCK = 2000
_FEW_ENTRIES = 60


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """`covariance` of all parameters (strengths, style, log of the tie parameter), with their 95% intervals.

    Strengths are against the mean of all players. `n_clusters` says how many independent pieces it rests on.
    """

    covariance: Floats
    low: Floats
    high: Floats
    n_clusters: int

    def difference(self, first: int, second: int) -> float:
        """The standard error of the difference of two strengths."""
        v = self.covariance
        return float(np.sqrt(v[first, first] + v[second, second] - 2 * v[first, second]))


def sandwich(comparisons: Comparisons, found: BradleyTerry, *, clusters: Ints | None = None) -> Uncertainty:
    """Of a fit to these comparisons. `clusters` (rows,) are codes of any kind; without them each vote is one.

    With clusters the rows must be single votes, or all of one cluster each (`one_by_one`). ValueError with fewer than
    two clusters.
    """
    problem = Likelihood(comparisons, TIE_MODELS[found.ties], found.ridge)
    point = problem.at(found.parameters)
    if point is None:
        raise ValueError("these are not the parameters of a fit")
    bread = linalg.inv(problem.information(point), check_finite=False)
    if clusters is None:
        n_clusters = round(comparisons.n_votes)
        filling = _by_votes(problem, found.parameters)
    else:
        names, codes = np.unique(clusters, return_inverse=True)
        n_clusters = len(names)
        filling = _squares(_scores(problem, found.parameters, codes.ravel(), n_clusters))
    if n_clusters < 2:
        raise ValueError("an interval needs two clusters or more")
    covariance = bread @ filling @ bread * (n_clusters / (n_clusters - 1))
    reach = float(special.stdtrit(n_clusters - 1, (1 + LEVEL) / 2)) * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Uncertainty(covariance, found.parameters - reach, found.parameters + reach, n_clusters)


def _by_votes(problem: Likelihood, parameters: Floats) -> Floats:
    """The sum over votes of the squares of their scores, from counts of outcomes."""
    rows, n, p = problem.comparisons, problem.comparisons.n_players, problem.comparisons.style.shape[1]
    slopes = problem.model.slopes(*problem.differences(parameters))
    square = (rows.counts * slopes.by_difference**2).sum(axis=0)
    mixed = (rows.counts * slopes.by_difference * slopes.by_tie).sum(axis=0)
    incidence = _incidence(rows)
    filling = np.zeros((len(parameters), len(parameters)))
    weighted = sparse.csr_array(incidence.multiply(square[:, None]))
    filling[: n + p, : n + p] = (incidence.T @ weighted).toarray()
    if problem.model.start is not None:
        filling[: n + p, -1] = filling[-1, : n + p] = incidence.T @ mixed
        filling[-1, -1] = (rows.counts * slopes.by_tie**2).sum()
    return filling


def _scores(problem: Likelihood, parameters: Floats, clusters: Ints, n_clusters: int) -> sparse.csr_array:
    """The sum of the scores of each cluster, (clusters, parameters)."""
    rows = problem.comparisons
    slopes = problem.model.slopes(*problem.differences(parameters))
    by_row = (rows.counts * slopes.by_difference).sum(axis=0)
    gather = sparse.csr_array((by_row, (clusters, np.arange(len(clusters)))), shape=(n_clusters, len(clusters)))
    scores = sparse.csr_array(gather @ _incidence(rows))
    if problem.model.start is not None:
        tie = np.bincount(clusters, weights=(rows.counts * slopes.by_tie).sum(axis=0), minlength=n_clusters)
        scores = sparse.csr_array(sparse.hstack([scores, sparse.csr_array(tie[:, None])]))
    return scores


def _incidence(rows: Comparisons) -> sparse.csr_array:
    """(rows, players + covariates): 1 for the first player, -1 for the second, then the style."""
    n_rows = len(rows.first)
    places = np.arange(n_rows)
    values = np.concatenate([np.ones(n_rows), -np.ones(n_rows)])
    players = sparse.csr_array(
        (values, (np.tile(places, 2), np.concatenate([rows.first, rows.second]))), shape=(n_rows, rows.n_players)
    )
    if not rows.style.shape[1]:
        return players
    return sparse.csr_array(sparse.hstack([players, sparse.csr_array(rows.style)]))


def _squares(scores: sparse.csr_array) -> Floats:
    """The sum of s s' over the rows: sparse for many small clusters, dense in blocks for large ones."""
    n_rows, size = scores.shape
    if scores.nnz <= _FEW_ENTRIES * n_rows:
        return np.asarray((scores.T @ scores).toarray(), dtype=np.float64)
    total = np.zeros((size, size))
    for start in range(0, n_rows, _DENSE_BLOCK):
        block = scores[start : start + _DENSE_BLOCK].toarray()
        total += block.T @ block
    return total


def bootstrap(
    comparisons: Comparisons,
    found: BradleyTerry,
    clusters: Ints,
    *,
    rng: np.random.Generator,
    replicates: int = 200,
) -> Floats:
    """`parameters` of fits to resamples of the clusters, (replicates, parameters); each takes as long as a fit.

    Rows of NaN where a resample has no such parameters, as when it leaves somebody undefeated or without a tie.
    """
    codes = np.unique(clusters, return_inverse=True)[1].ravel()
    summed = _Summed.of(comparisons)
    drawn = np.full((replicates, len(found.parameters)), np.nan)
    blocks = multiplicities(int(codes.max(initial=-1)) + 1, rng=rng, replicates=replicates)
    for place, times in enumerate(chain.from_iterable(blocks)):
        with suppress(NotEstimable):
            resample = summed.weighted(times[codes])
            parameters = fit(resample, ties=found.ties, ridge=found.ridge, start=found.parameters).parameters
            if len(parameters) == len(found.parameters):
                drawn[place] = parameters
    return drawn


@dataclass(frozen=True, slots=True)
class _Summed:
    """Rows that are added up by pair for each resample; those with a style cannot be."""

    comparisons: Comparisons
    first_rows: Ints
    pairs: Ints

    @classmethod
    def of(cls, comparisons: Comparisons) -> _Summed:
        pair = comparisons.first * comparisons.n_players + comparisons.second
        _, first_rows, pairs = np.unique(pair, return_index=True, return_inverse=True)
        return cls(comparisons, first_rows, pairs.ravel())

    def weighted(self, times: Floats) -> Comparisons:
        rows, counts = self.comparisons, self.comparisons.counts * times
        if rows.style.shape[1]:
            return replace(rows, counts=counts)
        return Comparisons(
            rows.n_players,
            rows.first[self.first_rows],
            rows.second[self.first_rows],
            np.stack([np.bincount(self.pairs, weights=kind) for kind in counts]).astype(np.float64),
            np.zeros((len(self.first_rows), 0)),
        )


def rank_ranges(strengths: Floats, covariance: Floats) -> tuple[Ints, Ints]:
    """(best, worst) place of each player, (players,): one more than how many are surely stronger, and the mirror of it.

    Surely: the 95% interval of the difference excludes zero.
    """
    n = len(strengths)
    variance = np.diag(covariance)[:n]
    spread = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * covariance[:n, :n], 0.0))
    reach = float(special.ndtri((1 + LEVEL) / 2)) * spread
    is_stronger = strengths[:, None] - strengths[None, :] > np.where(spread > 0, reach, np.inf)
    return 1 + is_stronger.sum(axis=0), n - is_stronger.sum(axis=1)
