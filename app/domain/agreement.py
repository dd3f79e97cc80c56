"""Agreement between annotators: raw, Krippendorff's alpha, alpha_sym, Gwet's AC1 and AC2, Fleiss, Cohen.

Everything is computed from `counts` (items x labels: how many annotators gave item i the label k). Each item adds a
few numbers to sums over items (`features`), and every coefficient is a function of those sums, so that a bootstrap
(app.domain.agreement_intervals) never touches a vote again. Items with fewer than two votes say nothing about
agreement and are left out where a formula needs pairs of votes.

A coefficient of sums is an array over their leading axes, NaN where it is not defined. The functions of `counts` give
a float, or None instead of NaN: input without variation (one label only) has no coefficient, neither 0 nor 1.

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011); Gwet, "Computing inter-rater reliability
and its variance in the presence of high agreement" (2008) and "Handbook of Inter-Rater Reliability" (4th ed., 2014,
missing ratings: ch. 2 and 4); Fleiss (1971); Cohen (1960, 1968).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]

_CHUNK = 100
_MANY = 5000
"""Clusters, from which on it pays to look for those that are alike."""


def label_counts(items: Ints, labels: Ints, *, n_items: int, n_labels: int) -> Floats:
    """Votes as (item, label) codes into an (n_items, n_labels) table of counts."""
    flat = np.bincount(items * n_labels + labels, minlength=n_items * n_labels)
    return flat.reshape(n_items, n_labels).astype(np.float64)


def coincidences(counts: Floats) -> Floats:
    """Krippendorff's coincidences of each item, (items, labels, labels): n_ik (n_il - [k = l]) / (m_i - 1).

    Zero for items with fewer than two votes.
    """
    votes = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    return np.asarray(pairs / np.maximum(votes - 1, 1)[:, None, None], dtype=np.float64)


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
    sides' marginals are nuisance; alpha_sym does not move when the sides of any item are exchanged, as long as more
    than one label is left.
    """
    has_variation = _has_variation(observed.sum(axis=-1))
    if mirror is not None:
        observed = (observed + observed[..., mirror[:, None], mirror[None, :]]) / 2
    marginals = observed.sum(axis=-1)
    total = marginals.sum(axis=-1)
    delta = distances(marginals, metric=metric, values=values)
    disagreement = (observed * delta).sum(axis=(-2, -1))
    expected = (marginals[..., :, None] * marginals[..., None, :] * delta).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1.0 - (total - 1.0) * disagreement / expected
    # alpha_sym's expectation is positive even where everybody always said "A": that is no variation all the same.
    return np.where((expected > 0) & has_variation, alpha, np.nan)


def _has_variation(marginals: Floats) -> NDArray[np.bool_]:
    """Whether more than one label occurs; weights of a bootstrap leave rounding errors, hence no test against 0."""
    return np.asarray(marginals.max(axis=-1) < marginals.sum(axis=-1) * (1 - 1e-12))


def features(counts: Floats, *, weights: Floats | None = None) -> Floats:
    """What each item adds to the sums that the coefficients are functions of, (items, labels**2 + 2 labels + 3).

    In this order: its coincidences; its agreement (weighted by `weights`, (labels, labels), for AC2); 1 if it has two
    votes; its label shares; 1 if it has a vote; its counts if it has two votes.
    """
    weights = np.eye(counts.shape[1]) if weights is None else weights
    votes = counts.sum(axis=1, keepdims=True)
    is_usable = votes >= 2
    usable = np.where(is_usable, counts, 0.0)
    agreeing = (usable * (usable @ weights - 1.0)).sum(axis=1, keepdims=True)
    columns = [
        coincidences(counts).reshape(len(counts), -1),
        agreeing / np.maximum(votes * (votes - 1.0), 1.0),
        is_usable,
        counts / np.maximum(votes, 1.0),
        votes > 0,
        usable,
    ]
    return np.concatenate(columns, axis=1, dtype=np.float64)


def coincidences_in(sums: Floats) -> Floats:
    """The coincidence matrices (..., labels, labels) within sums (..., features)."""
    k = _n_labels(sums)
    return sums[..., : k * k].reshape(*sums.shape[:-1], k, k)


def raw_of(sums: Floats) -> Floats:
    """The mean over items of the share of agreeing pairs of votes, from sums (..., features)."""
    k = _n_labels(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., k * k] / sums[..., k * k + 1], dtype=np.float64)


def gwet_of(sums: Floats, *, weights: Floats | None = None) -> Floats:
    """AC1, or AC2 of sums made with the same weights. Chance agreement uses the mean of the items' label shares."""
    k = _n_labels(sums)
    if k < 2:
        return np.full(sums.shape[:-1], np.nan)
    total_weight = k if weights is None else float(weights.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        prevalence = sums[..., k * k + 2 : k * k + 2 + k] / sums[..., k * k + 2 + k, None]
        chance = total_weight / (k * (k - 1)) * (prevalence * (1 - prevalence)).sum(axis=-1)
        return np.where(_has_variation(prevalence), (raw_of(sums) - chance) / (1 - chance), np.nan)


def fleiss_of(sums: Floats) -> Floats:
    """Fleiss' kappa; where items have different numbers of votes, chance agreement uses the pooled votes."""
    k = _n_labels(sums)
    pooled = sums[..., -k:]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.square(pooled / pooled.sum(axis=-1, keepdims=True)).sum(axis=-1)
        return np.where(_has_variation(pooled), (raw_of(sums) - chance) / (1 - chance), np.nan)


def cohen_of(tables: Floats, *, weights: Floats | None = None) -> Floats:
    """Cohen's kappa of cross tables (..., labels, labels) of two annotators; NaN where both always said the same.

    With a (labels, labels) matrix of weights in [0, 1] it is weighted kappa (Cohen 1968).
    """
    weights = np.eye(tables.shape[-1]) if weights is None else weights
    total = tables.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (tables * weights).sum(axis=(-2, -1)) / total
        chance = ((tables.sum(axis=-1) @ weights) * tables.sum(axis=-2)).sum(axis=-1) / np.square(total)
        return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)


def _n_labels(sums: Floats) -> int:
    """features = labels**2 + 2 labels + 3."""
    return math.isqrt(sums.shape[-1] - 2) - 1


def number(value: Floats) -> float | None:
    """None for NaN."""
    return None if np.isnan(value) else float(value)


def raw_agreement(counts: Floats) -> float | None:
    """The share of agreeing pairs of votes on the same item, each item weighing alike; None without overlap."""
    return number(raw_of(features(counts).sum(axis=0)))


def gwet(counts: Floats, *, weights: Floats | None = None) -> float | None:
    """AC1, or AC2 with a (labels, labels) matrix of weights in [0, 1]; None where nothing varies or overlaps."""
    return number(gwet_of(features(counts, weights=weights).sum(axis=0), weights=weights))


def quadratic_weights(n_labels: int) -> Floats:
    """1 - (k - l)^2 / (K - 1)^2, for ordered labels."""
    points = np.arange(n_labels, dtype=np.float64)
    return np.asarray(1.0 - np.square((points[:, None] - points[None, :]) / (n_labels - 1)), dtype=np.float64)


def fleiss(counts: Floats) -> float | None:
    """Fleiss' kappa over the items with two votes or more; None where nothing varies or overlaps."""
    return number(fleiss_of(features(counts).sum(axis=0)))


def cohen(table: Floats, *, weights: Floats | None = None) -> float | None:
    """Cohen's kappa of a (labels, labels) cross table of two annotators, weighted or not; None where nothing varies."""
    return number(cohen_of(table, weights=weights))


def bootstrap(
    sums: Floats, statistic: Callable[[Floats], Floats], *, rng: np.random.Generator, replicates: int
) -> Floats:
    """The statistic of `replicates` resamples of the rows of `sums` (clusters, features); (replicates, ...).

    A resample is its vector of multiplicities times the clusters' sums, so that no vote is touched again. Of very many
    clusters, as where each item is one, most are alike: then how often each kind of them is drawn is drawn.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13.
    """
    if len(sums) > _MANY:
        kinds, times = _alike(sums)
        if len(kinds) <= len(sums) / 4:
            shares = times / times.sum()
            return statistic(rng.multinomial(len(sums), shares, size=replicates).astype(np.float64) @ kinds)
    drawn = multiplicities(len(sums), rng=rng, replicates=replicates)
    return np.concatenate([statistic(weights @ sums) for weights in drawn])


def _alike(rows: Floats) -> tuple[Floats, Ints]:
    """(distinct rows, how often each occurs); told apart by sums with random weights: quicker than sorting."""
    key = rows @ np.random.default_rng(0).random(rows.shape[1])
    _, first, times = np.unique(key, return_index=True, return_counts=True)
    return rows[first], times


def multiplicities(clusters: int, *, rng: np.random.Generator, replicates: int) -> Iterator[Floats]:
    """How often each cluster stands in a resample, (some of the replicates, clusters) at a time."""
    for start in range(0, replicates, _CHUNK):
        size = min(_CHUNK, replicates - start)
        picks = rng.integers(clusters, size=(size, clusters))
        picks += np.arange(size)[:, None] * clusters
        yield np.bincount(picks.ravel(), minlength=size * clusters).reshape(size, clusters).astype(np.float64)
