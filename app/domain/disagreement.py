"""What disagreement says: an ambiguous task, people who differ on principle, or noise.

- Noisy: the votes are split, but the label that their reliability gives is clear.
- Diverging: groups of annotators (by a trait they gave freely) prefer different sides, by more than chance does.
- Ambiguous: split, and neither explains it; no further vote will settle it, a better guideline might.

A group's preference is shown only where ten annotators stand behind it, and never where it could be had by subtraction.

Sources: Shannon (1948); Cochran, "The combination of estimates from different experiments" (1954) for the test between
groups; Benjamini and Hochberg (1995) over items; Sweeney, "k-anonymity" (2002), with the complementary suppression of
statistical offices (Hundepool et al., "Statistical Disclosure Control", 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import special

from app.domain.shares import Z

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

K_ANONYMITY = 10
SPLIT_ENTROPY = 0.72
"""In bits, of two sides: one vote in five against the rest."""
CLEAR_LABEL = 0.90
FALSE_DISCOVERIES = 0.05


class Kind(StrEnum):
    AGREED = "agreed"
    NOISY = "noisy"
    DIVERGING = "diverging"
    AMBIGUOUS = "ambiguous"


def entropy(counts: Floats) -> Floats:
    """In bits, of the label shares of each item, (items,) from counts (items, labels); NaN without a vote."""
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(special.entr(counts / total).sum(axis=1) / np.log(2) + 0.0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class GroupPreferences:
    """(items, groups): how many annotators judged, the mean vote value with its 95% interval, and p of no difference.

    Preferences are NaN where fewer than ten annotators stand behind them, or where the only such group of an item would
    otherwise be had by subtraction. `p_values` (items,) is NaN with fewer than two groups to compare.
    """

    n_annotators: Ints
    value: Floats
    low: Floats
    high: Floats
    p_values: Floats


def group_preferences(
    items: Ints, groups: Ints, annotators: Ints, values: Floats, *, n_items: int, n_groups: int
) -> GroupPreferences:
    """From votes (votes,) with values in [0, 1] for the first side; -1 as group is one that said nothing of itself.

    An annotator's votes on an item are averaged first, so that annotators are what is counted and what varies. Items
    may be slices, as long as the first side means the same throughout.
    """
    named = groups >= 0
    cells = items[named] * n_groups + groups[named]
    people = int(annotators.max(initial=-1)) + 1
    each, person = np.unique(cells * people + annotators[named], return_inverse=True)
    mean = np.bincount(person.ravel(), weights=values[named]) / np.bincount(person.ravel())
    cell, size = each // people, n_items * n_groups
    n = np.bincount(cell, minlength=size).reshape(n_items, n_groups)
    first = np.bincount(cell, weights=mean, minlength=size).reshape(n_items, n_groups)
    second = np.bincount(cell, weights=mean**2, minlength=size).reshape(n_items, n_groups)
    is_shown = shown(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(is_shown, first / n, np.nan)
        # One pseudo-annotator for each side, so that unanimous groups are not infinitely sure (Agresti and Coull).
        steady = (first + 1) / (n + 2)
        variance = np.maximum((second + 1) / (n + 2) - steady**2, 1e-12) / (n + 1)
    error = np.sqrt(variance)
    low, high = np.clip(steady - Z * error, 0.0, 1.0), np.clip(steady + Z * error, 0.0, 1.0)
    return GroupPreferences(
        n,
        value,
        np.where(is_shown, low, np.nan),
        np.where(is_shown, high, np.nan),
        _no_difference(np.where(is_shown, steady, np.nan), variance),
    )


def shown(n_annotators: Ints) -> NDArray[np.bool_]:
    """Which groups of each item may be shown, (items, groups) from their numbers of annotators.

    Where exactly one group with anybody in it is too small, the smallest of the others goes with it: the item's total
    is known, and would give it away.
    """
    is_large = n_annotators >= K_ANONYMITY
    is_small = (n_annotators > 0) & ~is_large
    smallest = np.where(is_large, n_annotators, np.iinfo(np.int64).max).argmin(axis=1)
    gives_away = (is_small.sum(axis=1) == 1) & is_large.any(axis=1)
    is_shown = is_large.copy()
    is_shown[np.flatnonzero(gives_away), smallest[gives_away]] = False
    return is_shown


def _no_difference(value: Floats, variance: Floats) -> Floats:
    """Cochran's test that all groups of an item prefer alike, (items,) from (items, groups)."""
    has_value = ~np.isnan(value)
    weight = np.where(has_value, 1 / variance, 0.0)
    known = np.where(has_value, value, 0.0)
    groups = has_value.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        common = (weight * known).sum(axis=1) / weight.sum(axis=1)
        scatter = (weight * np.square(known - common[:, None])).sum(axis=1)
    comparable = groups >= 2
    return np.where(comparable, special.chdtrc(np.maximum(groups - 1, 1), np.where(comparable, scatter, 0.0)), np.nan)


def discoveries(p_values: Floats, *, false_discoveries: float = FALSE_DISCOVERIES) -> NDArray[np.bool_]:
    """Benjamini and Hochberg: which p-values are small enough together; NaN takes no part."""
    is_tested = ~np.isnan(p_values)
    ordered = np.sort(p_values[is_tested])
    is_small = ordered <= false_discoveries * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    if not is_small.any():
        return np.zeros(len(p_values), dtype=bool)
    return np.asarray(is_tested & (np.nan_to_num(p_values, nan=2.0) <= ordered[is_small][-1]), dtype=bool)


def kinds(
    counts: Floats, reliable: Floats, is_diverging: NDArray[np.bool_], *, clear: float = CLEAR_LABEL
) -> list[Kind]:
    """What each item's disagreement is, from its counts (items, labels).

    `reliable` (items,) is the probability of the label that reliability gives (the larger of p and 1 - p of a soft
    label with reliability weights, or the largest of a posterior); `is_diverging` (items,) comes from `discoveries`.
    Who differs on principle is no noise, so that diverging comes first.
    """
    is_split = np.nan_to_num(entropy(counts)) >= SPLIT_ENTROPY
    found = np.where(reliable >= clear, Kind.NOISY, Kind.AMBIGUOUS)
    found = np.where(is_split, found, Kind.AGREED)
    return [Kind(kind) for kind in np.where(is_diverging, Kind.DIVERGING, found)]
