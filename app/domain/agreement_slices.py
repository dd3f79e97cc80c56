"""Agreement of parts of a project: by slice, and beside what its own experts reach.

A slice is anything that a vote has: guideline version, week, domain, language, strength, pair of models. The votes must
be those of base overlap and calibration: votes that were asked for because others disagreed make agreement look far too
high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain.agreement import Floats, Ints

TARGET_ITEMS = 100
"""How many items two leads label for the target."""


def by_slice(
    items: Ints,
    labels: Ints,
    clusters: Ints,
    slices: Ints,
    statistics: Mapping[str, ai.Statistic],
    *,
    n_labels: int,
    rng: np.random.Generator,
    weights: Floats | None = None,
    replicates: int = ai.BOOTSTRAP_REPLICATES,
) -> dict[int, dict[str, ai.Estimate]]:
    """Each statistic of each slice; votes (votes,) as codes, `clusters` that of each vote's item.

    Agreement within a slice is that among its own votes. Slices with fewer than 30 items of two votes have no value,
    only the number of items and TOO_FEW_ITEMS: not enough data.
    """
    found = {}
    for name in np.unique(slices).tolist():
        rows = slices == name
        codes, item = np.unique(items[rows], return_inverse=True)
        item = item.ravel()
        counts = ag.label_counts(item, labels[rows], n_items=len(codes), n_labels=n_labels)
        cluster_of = np.zeros(len(codes), dtype=np.int64)
        cluster_of[item] = clusters[rows]
        estimates = ai.estimate_all(counts, cluster_of, statistics, rng=rng, weights=weights, replicates=replicates)
        found[name] = {key: _or_not_enough(estimate) for key, estimate in estimates.items()}
    return found


def _or_not_enough(estimate: ai.Estimate) -> ai.Estimate:
    if estimate.n >= ai.MINIMUM_ITEMS:
        return estimate
    return replace(estimate, value=None, low=None, high=None, reason=ai.Reason.TOO_FEW_ITEMS)


class Standing(StrEnum):
    REACHED = "reached"
    """The annotators agree at least as well as the experts: the interval of the difference lies above zero."""
    LEVEL = "level"
    """No difference can be told."""
    BELOW = "below"
    UNKNOWN = "unknown"
    """One side has not enough data."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the experts reach, what the annotators reach, and annotators minus experts."""

    experts: ai.Estimate
    annotators: ai.Estimate
    difference: ai.Estimate
    standing: Standing


def against_experts(
    expert_counts: Floats,
    expert_clusters: Ints,
    counts: Floats,
    clusters: Ints,
    statistic: ai.Statistic,
    *,
    rng: np.random.Generator,
    weights: Floats | None = None,
    replicates: int = ai.BOOTSTRAP_REPLICATES,
) -> Target:
    """A project's own target: the agreement of its experts among themselves, on items that they label twice.

    Counts are (items, labels), clusters (items,) codes of prompts, the same for both. The prompts of both are drawn
    together, so that prompts which both judged, hard for the ones as for the others, cancel in the difference.
    """
    sides = []
    for votes, groups in ((expert_counts, expert_clusters), (counts, clusters)):
        is_usable = votes.sum(axis=1) >= 2
        sides.append((ag.features(votes[is_usable], weights=weights), groups[is_usable]))
    (expert_rows, expert_groups), (rows, groups) = sides
    width = expert_rows.shape[1]
    both = np.zeros((len(expert_rows) + len(rows), 2 * width))
    both[: len(expert_rows), :width] = expert_rows
    both[len(expert_rows) :, width:] = rows
    sums = ai.cluster_sums(both, np.concatenate([expert_groups, groups]))

    def experts(totals: Floats) -> Floats:
        return statistic(totals[..., :width])

    def annotators(totals: Floats) -> Floats:
        return statistic(totals[..., width:])

    def difference(totals: Floats) -> Floats:
        return annotators(totals) - experts(totals)

    drawn = ag.bootstrap(sums, lambda totals: totals, rng=rng, replicates=replicates) if len(sums) else sums
    total = sums.sum(axis=0)
    sizes = (len(expert_rows), len(rows), min(len(expert_rows), len(rows)))
    numbers = (len(np.unique(expert_groups)), len(np.unique(groups)), len(sums))
    found = [
        _or_not_enough(ai.estimate_from(of(total), of(drawn), n, n_clusters))
        for of, n, n_clusters in zip((experts, annotators, difference), sizes, numbers, strict=True)
    ]
    return Target(found[0], found[1], found[2], _standing(found[2]))


def _standing(difference: ai.Estimate) -> Standing:
    if difference.low is None or difference.high is None:
        return Standing.UNKNOWN
    if difference.low > 0:
        return Standing.REACHED
    return Standing.BELOW if difference.high < 0 else Standing.LEVEL
