"""Coefficients of agreement with their intervals, or the reason why there is none.

Clusters (prompts) and not votes are drawn, since votes on one prompt are not independent. One set of resamples serves
all coefficients of the same votes, so that they can be compared with each other.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993); the percentiles are moved outwards for few
clusters as in Hesterberg, "What Teachers Should Know About the Bootstrap" (2015), section 5.1 ("expanded percentile").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from statistics import NormalDist

import numpy as np

from app.domain import agreement as ag
from app.domain.agreement import Floats, Ints, Metric

MINIMUM_ITEMS = 30
MINIMUM_CLUSTERS = 10
BOOTSTRAP_REPLICATES = 1000
PAIR_MINIMUM_ITEMS = 30
PAIRS_SHOWN = 50
LEVEL = 0.95
LARGEST_UNDEFINED_SHARE = 0.025

Statistic = Callable[[Floats], Floats]


class Reason(StrEnum):
    """Why there is no value, or no interval."""

    NO_OVERLAP = "no_overlap"
    """No item has two votes."""
    NO_VARIATION = "no_variation"
    """Only one label was given, so that agreement beyond chance means nothing."""
    NOT_APPLICABLE = "not_applicable"
    """The labels have no sides, or no order."""
    TOO_FEW_ITEMS = "too_few_items"
    """Fewer than 30 items with two votes or more: there is a value, but no interval."""
    TOO_FEW_PROMPTS = "too_few_prompts"
    """Fewer than 10 clusters to draw from."""
    NO_SPREAD = "no_spread"
    """Every resample gives the same value, as with perfect agreement: the bootstrap cannot tell how sure it is."""
    RARE_LABELS = "rare_labels"
    """A label is so rare that in more than 2.5% of the resamples nothing varies."""


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
    """Cohen's kappa of two annotators (codes) over the items both have judged."""

    first: int
    second: int
    kappa: Estimate

    @property
    def n_items(self) -> int:
        return self.kappa.n


def alpha_statistic(
    *, metric: Metric = "nominal", values: Floats | None = None, mirror: Ints | None = None
) -> Statistic:
    """Krippendorff's alpha as a function of sums of `agreement.features`."""

    def alpha(sums: Floats) -> Floats:
        return ag.alpha_of(ag.coincidences_in(sums), metric=metric, values=values, mirror=mirror)

    return alpha


def estimate_all(
    counts: Floats,
    clusters: Ints,
    statistics: Mapping[str, Statistic],
    *,
    rng: np.random.Generator,
    weights: Floats | None = None,
    replicates: int = BOOTSTRAP_REPLICATES,
) -> dict[str, Estimate]:
    """Each statistic of `agreement.features` with its interval; `clusters` (items,) are codes of any kind.

    `weights` (labels, labels) are those of the features, for AC2.

    Clusters in which no item has two votes are not drawn: their votes add to AC1's label shares, and stay as they are.
    """
    is_usable = counts.sum(axis=1) >= 2
    n = int(is_usable.sum())
    if n == 0:
        return dict.fromkeys(statistics, Estimate(None, None, None, 0, Reason.NO_OVERLAP))
    per_item = ag.features(counts, weights=weights)
    is_drawn = np.isin(clusters, clusters[is_usable])
    rest = per_item[~is_drawn].sum(axis=0)
    sums = cluster_sums(per_item[is_drawn], clusters[is_drawn])
    total = sums.sum(axis=0) + rest
    reason = too_few(n, len(sums))
    if reason is None:
        drawn = ag.bootstrap(sums, lambda totals: totals + rest, rng=rng, replicates=replicates)
        return {name: estimate_from(of(total), of(drawn), n, len(sums)) for name, of in statistics.items()}
    return {name: _without_interval(of(total), n, reason) for name, of in statistics.items()}


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
    """Alpha with its interval."""
    statistic = alpha_statistic(metric=metric, values=values, mirror=mirror)
    return estimate_all(counts, clusters, {"alpha": statistic}, rng=rng, replicates=replicates)["alpha"]


def cluster_sums(rows: Floats, clusters: Ints) -> Floats:
    """The rows (items, features) summed by cluster, in the order in which the clusters first appear."""
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    sums = np.zeros((len(first), rows.shape[1]))
    np.add.at(sums, place[codes.ravel()], rows)
    return sums


def too_few(n_items: int, n_clusters: int) -> Reason | None:
    if n_items < MINIMUM_ITEMS:
        return Reason.TOO_FEW_ITEMS
    return Reason.TOO_FEW_PROMPTS if n_clusters < MINIMUM_CLUSTERS else None


def tails(n_clusters: int) -> tuple[float, float]:
    """The percentiles of an interval of LEVEL: 2.5% and 97.5% for many clusters, further out for few.

    A percentile interval is narrower than a t interval by the factor sqrt((n - 1) / n) and by the normal's quantile in
    place of Student's; here both are made good. Student's quantile by its expansion in 1 / (n - 1), which is exact to
    .001 from ten clusters on.
    """
    normal = NormalDist()
    z = normal.inv_cdf((1 + LEVEL) / 2)
    freedom = n_clusters - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    tail = normal.cdf(-t * (n_clusters / freedom) ** 0.5)
    return tail, 1 - tail


def estimate_mean(
    values: Floats, clusters: Ints, *, rng: np.random.Generator, replicates: int = BOOTSTRAP_REPLICATES
) -> Estimate:
    """The mean of values (items,) with its interval."""
    if not len(values):
        return Estimate(None, None, None, 0, Reason.NO_OVERLAP)
    sums = cluster_sums(np.stack([values, np.ones(len(values))], axis=1), clusters)

    def mean(totals: Floats) -> Floats:
        return np.asarray(totals[..., 0] / totals[..., 1], dtype=np.float64)

    value = mean(sums.sum(axis=0))
    if (reason := too_few(len(values), len(sums))) is not None:
        return _without_interval(value, len(values), reason)
    return estimate_from(value, ag.bootstrap(sums, mean, rng=rng, replicates=replicates), len(values), len(sums))


def estimate_from(value: Floats, drawn: Floats, n: int, n_clusters: int) -> Estimate:
    """The estimate of a value and its resamples (replicates,), over n items in these clusters."""
    if np.isnan(value):
        return _without_interval(value, n, Reason.NO_VARIATION)
    if (reason := too_few(n, n_clusters)) is not None:
        return _without_interval(value, n, reason)
    is_undefined = np.isnan(drawn)
    if is_undefined.mean() > LARGEST_UNDEFINED_SHARE:
        return _without_interval(value, n, Reason.RARE_LABELS)
    low, high = (float(end) for end in np.quantile(drawn[~is_undefined], tails(n_clusters)))
    if high - low < 1e-9:
        return _without_interval(value, n, Reason.NO_SPREAD)
    return Estimate(float(value), low, high, n)


def _without_interval(value: Floats, n: int, reason: Reason) -> Estimate:
    if np.isnan(value):
        return Estimate(None, None, None, n, Reason.NO_VARIATION)
    return Estimate(float(value), None, None, n, reason)


def pair_kappas(
    items: Ints,
    annotators: Ints,
    labels: Ints,
    clusters: Ints,
    *,
    n_labels: int,
    rng: np.random.Generator,
    weights: Floats | None = None,
    replicates: int = BOOTSTRAP_REPLICATES,
) -> list[PairKappa]:
    """Cohen's kappa of the annotator pairs with most items in common: at least 30 items, at most 50 pairs.

    (votes,) codes; `clusters` is that of each vote's item; `weights` (labels, labels) make it weighted kappa.
    """
    pairs = pairs_of_votes(items)
    swap = annotators[pairs[:, 0]] > annotators[pairs[:, 1]]
    pairs[swap] = pairs[swap][:, ::-1]
    n_annotators = int(annotators.max(initial=0)) + 1
    who = annotators[pairs[:, 0]] * n_annotators + annotators[pairs[:, 1]]
    distinct, which, shared = np.unique(who, return_inverse=True, return_counts=True)
    ranked = np.lexsort((distinct, -shared))
    chosen = [int(p) for p in ranked if shared[p] >= PAIR_MINIMUM_ITEMS][:PAIRS_SHOWN]
    estimate = partial(_kappa, n_labels=n_labels, weights=weights, rng=rng, replicates=replicates)
    found = []
    for p in chosen:
        both = pairs[which == p]
        first, second = divmod(int(distinct[p]), n_annotators)
        found.append(PairKappa(first, second, estimate(labels[both], clusters[both[:, 0]])))
    return found


def pairs_of_votes(items: Ints) -> Ints:
    """Positions of all pairs of votes on the same item, (pairs, 2), in the order of the items."""
    order = np.argsort(items, kind="stable")
    ordered = items[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if items.size else np.zeros(0, dtype=np.int64)
    sizes = np.diff(np.r_[starts, items.size])
    pairs: list[Ints] = [np.zeros((0, 2), dtype=np.int64)]
    for size in np.unique(sizes[sizes >= 2]):
        rows = starts[sizes == size][:, None] + np.arange(size)
        left, right = np.triu_indices(int(size), 1)
        pairs.append(np.stack([rows[:, left].ravel(), rows[:, right].ravel()], axis=1))
    return order[np.concatenate(pairs)]


def _kappa(
    both: Ints, clusters: Ints, *, n_labels: int, weights: Floats | None, rng: np.random.Generator, replicates: int
) -> Estimate:
    """From the labels (items, 2) that two annotators gave."""
    cells = np.zeros((len(both), n_labels**2))
    cells[np.arange(len(both)), both[:, 0] * n_labels + both[:, 1]] = 1.0
    sums = cluster_sums(cells, clusters)

    def kappa(totals: Floats) -> Floats:
        return ag.cohen_of(totals.reshape(*totals.shape[:-1], n_labels, n_labels), weights=weights)

    value = kappa(sums.sum(axis=0))
    reason = too_few(len(both), len(sums))
    if reason is not None or np.isnan(value):
        return _without_interval(value, len(both), reason or Reason.NO_VARIATION)
    return estimate_from(value, ag.bootstrap(sums, kappa, rng=rng, replicates=replicates), len(both), len(sums))
