"""Shares with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Shares:
    """Values with their 95% intervals and how many observations stand behind each; NaN where there is none."""

    value: Floats
    low: Floats
    high: Floats
    n: Floats


def wilson(successes: Floats, totals: Floats, *, design_effect: Floats | float = 1.0) -> Shares:
    """Wilson's score interval of successes / totals, arrays of any shape.

    A design effect of d, as of observations that hang together, counts n observations as n / d. Sources: Wilson (1927);
    Brown, Cai and DasGupta, "Interval estimation for a binomial proportion" (2001); Korn and Graubard (1998).
    """
    totals = np.asarray(totals, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.asarray(successes, dtype=np.float64) / totals
        n = totals / design_effect
        middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
        reach = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    has_any = totals > 0
    low, high = np.where(has_any, middle - reach, np.nan), np.where(has_any, middle + reach, np.nan)
    return Shares(np.where(has_any, share, np.nan), np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0), totals)
