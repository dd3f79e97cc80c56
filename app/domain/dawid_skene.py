"""Dawid and Skene's model of annotators: each has a confusion matrix, each item one true label.

Sources: Dawid and Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm" (1979); the
Dirichlet prior on each annotator's confusion matrix follows Paun et al., "Comparing Bayesian models of annotation"
(2018), and is what keeps annotators with few votes from being believed too much. The iteration is squared
extrapolation, scheme S3 of Varadhan and Roland, "Simple and globally convergent methods for accelerating the
convergence of any EM algorithm" (2008), on the items' log-odds, which are linear in the logarithms of the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from app.domain.aggregation import Floats, Ints, majority

PRIOR_DIAGONAL = 2.5
PRIOR_OFF_DIAGONAL = 0.5
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """`posterior` (items, labels), `prevalence` (labels,), `confusion` (annotators, true label, given label).

    `n_iterations` counts steps of expectation and maximisation. Without `has_converged` the last step still moved some
    posterior by more than the tolerance.
    """

    posterior: Floats
    prevalence: Floats
    confusion: Floats
    n_iterations: int
    has_converged: bool


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
    has_equal_prevalence: bool = False,
) -> DawidSkene:
    """Expectation-maximisation from the majority vote; the prior counts as votes already seen (0 gives maximum
    likelihood). (votes,) codes from 0.

    With `has_equal_prevalence` all labels are held to be equally frequent. That is the one to take where a label is
    rare: an estimated prevalence tends to swallow it. Extrapolated steps are kept only where they raise the (penalised)
    likelihood, so that it never falls.
    """
    prior = np.full((n_labels, n_labels), prior_off_diagonal)
    np.fill_diagonal(prior, prior_diagonal)
    cells = sparse.csr_array(
        (np.ones(len(items)), (items, annotators * n_labels + labels)), shape=(n_items, n_annotators * n_labels)
    )
    totals = np.asarray(cells.sum(axis=0), dtype=np.float64)
    model = _Model(cells, cells.T, totals, prior, has_equal_prevalence)
    posterior = np.ascontiguousarray(majority(items, labels, n_items=n_items, n_labels=n_labels).T)
    state, iteration, change = model.step(posterior), 1, np.inf
    while iteration < max_iterations and change > tolerance:
        first = model.step(_shares(state.odds))
        change = float(np.abs(_shares(first.odds) - _shares(state.odds)).max())
        iteration += 1
        if change <= tolerance or iteration + 2 > max_iterations:
            state = first
            continue
        second = model.step(_shares(first.odds))
        leap = model.step(_shares(_extrapolated(state.odds, first.odds, second.odds)))
        iteration += 2
        state = leap if leap.objective >= second.objective else second
    return DawidSkene(
        np.ascontiguousarray(_shares(state.odds).T), state.prevalence, state.confusion, iteration, change <= tolerance
    )


@dataclass(frozen=True, slots=True)
class _State:
    """Parameters, the penalised log-likelihood at them, and the log-odds (labels - 1, items) that follow from them."""

    prevalence: Floats
    confusion: Floats
    objective: float
    odds: Floats


@dataclass(frozen=True, slots=True)
class _Model:
    """`cells` (items, annotators x given labels) counts votes; all log-odds are against the last label."""

    cells: sparse.csr_array
    transposed: sparse.csc_array
    votes: Floats
    prior: Floats
    has_equal_prevalence: bool

    def step(self, posterior: Floats) -> _State:
        """Maximisation from posteriors (labels, items), then expectation."""
        n_labels = len(posterior)
        counted = np.empty((len(self.votes) // n_labels, n_labels, n_labels))
        rest = self.votes.copy()
        for k in range(n_labels - 1):
            seen = self.transposed @ posterior[k]
            rest -= seen
            counted[:, k, :] = seen.reshape(-1, n_labels)
        counted[:, -1, :] = np.maximum(rest, 0.0).reshape(-1, n_labels)
        counted += self.prior
        total = counted.sum(axis=2, keepdims=True)
        confusion = np.where(total > 0, counted / np.maximum(total, _SMALLEST), 1 / n_labels)
        prevalence = np.full(n_labels, 1 / n_labels) if self.has_equal_prevalence else posterior.mean(axis=1)
        evidence = np.log(np.maximum(confusion, _SMALLEST))
        weight = np.log(np.maximum(prevalence, _SMALLEST))
        last = evidence[:, -1, :].ravel()
        odds = np.empty((n_labels - 1, posterior.shape[1]))
        for k in range(n_labels - 1):
            odds[k] = self.cells @ (evidence[:, k, :].ravel() - last) + (weight[k] - weight[-1])
        likelihood = _log_sums(odds).sum() + self.votes @ last + weight[-1] * posterior.shape[1]
        return _State(prevalence, confusion, float(likelihood + (self.prior * evidence).sum()), odds)


def _extrapolated(odds: Floats, first: Floats, second: Floats) -> Floats:
    """Where three iterates of a fixed-point map point to; as far as it goes, it never goes less far than `second`."""
    step = first - odds
    curvature = second - first - step
    length = max(1.0, float(np.linalg.norm(step)) / max(float(np.linalg.norm(curvature)), _SMALLEST))
    return np.asarray(odds + 2 * length * step + length**2 * curvature, dtype=np.float64)


def _log_sums(odds: Floats) -> Floats:
    """log(1 + sum exp) over the labels, (items,)."""
    highest = np.maximum(odds.max(axis=0, initial=0.0), 0.0)
    return np.asarray(highest + np.log(np.exp(odds - highest).sum(axis=0) + np.exp(-highest)), dtype=np.float64)


def _shares(odds: Floats) -> Floats:
    """Posteriors (labels, items) of log-odds against the last label."""
    highest = np.maximum(odds.max(axis=0, initial=0.0), 0.0)
    shares = np.concatenate([np.exp(odds - highest), np.exp(-highest)[None]])
    return np.asarray(shares / shares.sum(axis=0), dtype=np.float64)
