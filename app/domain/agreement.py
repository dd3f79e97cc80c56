"""Agreement between annotators: raw, Krippendorff's alpha, alpha_sym, Gwet's AC1 and AC2, Fleiss, Cohen.

Everything is computed from two arrays: `counts` (items x labels: how many annotators gave item i the label k) and, for
pairs of annotators, the votes themselves. Items with fewer than two votes say nothing about agreement and are left
out where a formula needs pairs of votes. Input without variation gives a `Reason` instead of a number: never 0, 1
or NaN.

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011); Gwet, "Computing inter-rater reliability
and its variance in the presence of high agreement" (2008) and "Handbook of Inter-Rater Reliability" (4th ed., 2014,
missing ratings: ch. 2 and 4); Fleiss (1971); Cohen (1960); Efron and Tibshirani (1993) for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]

MINIMUM_ITEMS = 30
BOOTSTRAP_REPLICATES = 1000
PAIR_MINIMUM_ITEMS = 30
PAIRS_SHOWN = 50
_CHUNK = 100


class Reason(StrEnum):
    """Why there is no number."""

    NO_OVERLAP = "no_overlap"
    NO_VARIATION = "no_variation"
    TOO_FEW_ITEMS = "too_few_items"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval and the number of items behind it, or the reason why one of them is missing."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class PairKappa:
    """Cohen's kappa of two annotators over the items both have judged."""

    first: int
    second: int
    n_items: int
    kappa: float | None
    reason: Reason | None


def label_counts(items: Ints, labels: Ints, *, n_items: int, n_labels: int) -> Floats:
    """Votes as (item, label) codes into an (n_items, n_labels) table of counts."""
    flat = np.bincount(items * n_labels + labels, minlength=n_items * n_labels)
    return flat.reshape(n_items, n_labels).astype(np.float64)


def coincidences(counts: Floats) -> Floats:
    """Krippendorff's coincidences of each item, (items, labels, labels): n_ik (n_il - [k = l]) / (m_i - 1)."""
    votes = counts.sum(axis=1)
    usable = counts[votes >= 2]
    pairs = usable[:, :, None] * usable[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= usable
    return np.asarray(pairs / (usable.sum(axis=1) - 1)[:, None, None], dtype=np.float64)


def distances(marginals: Floats, *, metric: Metric, values: Floats | None = None) -> Floats:
    """Squared differences between labels, (..., labels, labels); ordinal ones depend on the marginals (..., labels)."""
    k = marginals.shape[-1]
    if metric == "nominal":
        return 1.0 - np.eye(k)
    points = np.arange(1, k + 1, dtype=np.float64) if values is None else values
    if metric == "interval":
        return np.square(points[:, None] - points[None, :])
    if metric == "ratio":
        total = points[:, None] + points[None, :]
        return np.square(np.divide(points[:, None] - points[None, :], total, out=np.zeros((k, k)), where=total != 0))
    below = np.cumsum(marginals, axis=-1) - marginals / 2
    return np.square(below[..., :, None] - below[..., None, :])


def alpha_of(
    observed: Floats, *, metric: Metric = "nominal", values: Floats | None = None, mirror: Ints | None = None
) -> Floats:
    """Krippendorff's alpha of coincidence matrices (..., labels, labels); NaN marks those without variation.

    `mirror` gives for each label the label it becomes when the two sides are exchanged: with it the coincidences are
    averaged with their mirror image first, which is alpha_sym. Which response is stored as "A" is arbitrary, so the
    sides' marginals are nuisance; alpha_sym does not move when the sides of any item are exchanged.
    """
    if mirror is not None:
        observed = (observed + observed[..., mirror[:, None], mirror[None, :]]) / 2
    marginals = observed.sum(axis=-1)
    total = marginals.sum(axis=-1)
    delta = distances(marginals, metric=metric, values=values)
    disagreement = (observed * delta).sum(axis=(-2, -1))
    expected = (marginals[..., :, None] * marginals[..., None, :] * delta).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1.0 - (total - 1.0) * disagreement / expected
    return np.where(expected > 0, alpha, np.nan)


def raw_agreement(counts: Floats) -> float | None:
    """The share of agreeing pairs of votes on the same item, each item weighing alike; None without overlap."""
    shares = _pairwise_agreement(counts, np.eye(counts.shape[1]))
    return float(shares.mean()) if shares.size else None


def _pairwise_agreement(counts: Floats, weights: Floats) -> Floats:
    """Gwet's weighted agreement of each item with two votes or more, (items,)."""
    usable = counts[counts.sum(axis=1) >= 2]
    votes = usable.sum(axis=1)
    weighted = usable @ weights
    return np.asarray((usable * (weighted - 1.0)).sum(axis=1) / (votes * (votes - 1.0)), dtype=np.float64)


def gwet(counts: Floats, *, weights: Floats | None = None) -> float | None:
    """AC1, or AC2 with a (labels, labels) matrix of weights in [0, 1]; None where nothing varies or overlaps.

    Chance agreement uses the mean of each item's own label shares, over all items with a vote.
    """
    k = counts.shape[1]
    weights = np.eye(k) if weights is None else weights
    shares = _pairwise_agreement(counts, weights)
    votes = counts.sum(axis=1)
    judged = counts[votes > 0]
    if not shares.size or k < 2:
        return None
    prevalence = (judged / judged.sum(axis=1, keepdims=True)).mean(axis=0)
    chance = weights.sum() / (k * (k - 1)) * float((prevalence * (1 - prevalence)).sum())
    return float((shares.mean() - chance) / (1 - chance))


def quadratic_weights(n_labels: int) -> Floats:
    """1 - (k - l)^2 / (K - 1)^2, for ordered labels."""
    points = np.arange(n_labels, dtype=np.float64)
    return np.asarray(1.0 - np.square((points[:, None] - points[None, :]) / (n_labels - 1)), dtype=np.float64)


def fleiss(counts: Floats) -> float | None:
    """Fleiss' kappa over the items with two votes or more; None where nothing varies or overlaps."""
    usable = counts[counts.sum(axis=1) >= 2]
    if not len(usable):
        return None
    observed = float(_pairwise_agreement(usable, np.eye(counts.shape[1])).mean())
    prevalence = usable.sum(axis=0) / usable.sum()
    chance = float(np.square(prevalence).sum())
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def cohen(table: Floats) -> float | None:
    """Cohen's kappa of a (labels, labels) cross table of two annotators; None where nothing varies."""
    total = table.sum()
    if total == 0:
        return None
    observed = np.trace(table) / total
    chance = float((table.sum(axis=0) * table.sum(axis=1)).sum() / total**2)
    return None if chance >= 1 else float((observed - chance) / (1 - chance))


def pair_kappas(items: Ints, annotators: Ints, labels: Ints, *, n_labels: int) -> list[PairKappa]:
    """Cohen's kappa of the annotator pairs with most items in common: at least 30 items, at most 50 pairs."""
    order = np.argsort(items, kind="stable")
    items, annotators, labels = items[order], annotators[order], labels[order]
    pairs: list[Ints] = []
    starts = np.flatnonzero(np.r_[True, items[1:] != items[:-1]]) if items.size else np.zeros(0, dtype=np.int64)
    sizes = np.diff(np.r_[starts, items.size])
    for size in np.unique(sizes[sizes >= 2]):
        rows = starts[sizes == size][:, None] + np.arange(size)
        left, right = np.triu_indices(int(size), 1)
        pairs.append(np.stack([rows[:, left].ravel(), rows[:, right].ravel()], axis=1))
    if not pairs:
        return []
    found = np.concatenate(pairs)
    swap = annotators[found[:, 0]] > annotators[found[:, 1]]
    found[swap] = found[swap][:, ::-1]
    names = np.stack([annotators[found[:, 0]], annotators[found[:, 1]]], axis=1)
    distinct, which, shared = np.unique(names, axis=0, return_inverse=True, return_counts=True)
    ranked = np.lexsort((distinct[:, 1], distinct[:, 0], -shared))
    chosen = [int(p) for p in ranked if shared[p] >= PAIR_MINIMUM_ITEMS][:PAIRS_SHOWN]
    return [_pair_kappa(distinct[p], labels[found[which.ravel() == p]], n_labels) for p in chosen]


def _pair_kappa(pair: Ints, both: Ints, n_labels: int) -> PairKappa:
    table = np.zeros((n_labels, n_labels))
    np.add.at(table, (both[:, 0], both[:, 1]), 1.0)
    kappa = cohen(table)
    return PairKappa(int(pair[0]), int(pair[1]), len(both), kappa, None if kappa is not None else Reason.NO_VARIATION)


def estimate_alpha(
    counts: Floats,
    clusters: Ints,
    *,
    rng: np.random.Generator,
    metric: Metric = "nominal",
    values: Floats | None = None,
    mirror: Ints | None = None,
    replicates: int = BOOTSTRAP_REPLICATES,
) -> Estimate:
    """Alpha with a percentile interval from a bootstrap over clusters (prompts), (items,) codes from 0.

    Clusters and not votes are drawn, since votes on one prompt are not independent.
    """
    usable = counts.sum(axis=1) >= 2
    per_item = coincidences(counts)
    n = int(usable.sum())
    if n == 0:
        return Estimate(None, None, None, 0, Reason.NO_OVERLAP)

    def statistic(observed: Floats) -> Floats:
        return alpha_of(observed, metric=metric, values=values, mirror=mirror)

    value = float(statistic(per_item.sum(axis=0)))
    if np.isnan(value):
        return Estimate(None, None, None, n, Reason.NO_VARIATION)
    groups = np.unique(clusters[usable], return_inverse=True)[1].ravel()
    if groups.max() + 1 < MINIMUM_ITEMS:
        return Estimate(value, None, None, n, Reason.TOO_FEW_ITEMS)
    k = counts.shape[1]
    sums = np.zeros((groups.max() + 1, k * k))
    np.add.at(sums, groups, per_item.reshape(n, k * k))
    drawn = bootstrap(sums, lambda totals: statistic(totals.reshape(-1, k, k)), rng=rng, replicates=replicates)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)


def bootstrap(
    sums: Floats, statistic: Callable[[Floats], Floats], *, rng: np.random.Generator, replicates: int
) -> Floats:
    """The statistic of `replicates` resamples of the rows of `sums` (clusters, features); (replicates,).

    A resample is its vector of multiplicities times the clusters' sums, so that no vote is touched again.
    """
    clusters = len(sums)
    drawn = []
    for start in range(0, replicates, _CHUNK):
        size = min(_CHUNK, replicates - start)
        picks = rng.integers(clusters, size=(size, clusters))
        offsets = np.arange(size)[:, None] * clusters
        weights = np.bincount((picks + offsets).ravel(), minlength=size * clusters).reshape(size, clusters)
        drawn.append(statistic(weights.astype(np.float64) @ sums))
    return np.concatenate(drawn)
