"""How long judgements take beside what their length lets one expect, and each annotator's usual pace.

log(seconds) = intercept + slope log(1 + characters) + residual, fitted so that breaks and misclicks do not count for
more than others. A residual is in units of the usual scatter: -2 is much faster than such a task usually is. Speed
alone says nothing about quality; it is shown, and never pauses anybody.

Sources: Huber, "Robust estimation of a location parameter" (1964), with k = 1.345 and the median absolute deviation as
scale; intervals of medians from order statistics (David and Nagaraja, "Order Statistics", 2003, section 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.shares import Shares, Z

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_K = 1.345
_ROUNDS = 50
_MAD_TO_DEVIATION = 1.4826
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """`residuals` (votes,); `annotators` their medians with intervals (NaN with fewer than six judgements)."""

    intercept: float
    slope: float
    scale: float
    residuals: Floats
    annotators: Shares


def pace(annotators: Ints, seconds: Floats, characters: Floats, *, n_annotators: int) -> Pace:
    """From active seconds (votes,), above zero, and the characters that were to be read.

    ValueError with fewer than three judgements, or seconds that are not above zero.
    """
    if len(seconds) < _FEWEST:
        raise ValueError("a pace needs three judgements or more")
    if not (seconds > 0).all():
        raise ValueError("every judgement takes some time")
    x, y = np.log1p(characters), np.log(seconds)
    weight = np.ones(len(y))
    intercept, slope, scale = 0.0, 0.0, 1.0
    for _ in range(_ROUNDS):
        x0, y0 = np.average(x, weights=weight), np.average(y, weights=weight)
        spread = float((weight * np.square(x - x0)).sum())
        fresh = float((weight * (x - x0) * (y - y0)).sum()) / spread if spread > 0 else 0.0
        moved = abs(fresh - slope) + abs(float(y0 - fresh * x0) - intercept)
        slope, intercept = fresh, float(y0 - fresh * x0)
        residuals = y - intercept - slope * x
        scale = max(_MAD_TO_DEVIATION * float(np.median(np.abs(residuals - np.median(residuals)))), 1e-9)
        weight = np.minimum(1.0, _K * scale / np.maximum(np.abs(residuals), 1e-300))
        if moved < 1e-9:
            break
    residuals = (y - intercept - slope * x) / scale
    return Pace(intercept, slope, scale, residuals, medians(annotators, residuals, n_groups=n_annotators))


def medians(groups: Ints, values: Floats, *, n_groups: int) -> Shares:
    """The median of each group (groups,) with a 95% interval from the values around the middle."""
    order = np.lexsort((values, groups))
    ordered = values[order]
    n = np.bincount(groups, minlength=n_groups)
    start = np.cumsum(n) - n
    has_any = n > 0
    place = np.where(has_any, start, 0)
    middle = (ordered[place + np.maximum(n - 1, 0) // 2] + ordered[place + np.maximum(n // 2 - (n == 0), 0)]) / 2
    below = np.floor(n / 2 - Z / 2 * np.sqrt(n)).astype(np.int64)
    has_interval = below >= 0
    has_interval &= n > 5
    low = ordered[np.where(has_interval, start + below, 0)]
    high = ordered[np.where(has_interval, start + n - 1 - below, 0)]
    return Shares(
        np.where(has_any, middle, np.nan),
        np.where(has_interval, low, np.nan),
        np.where(has_interval, high, np.nan),
        n.astype(np.float64),
    )
