"""How fast somebody judges, measured against nobody but themselves, and how often they repeat their own answer.

Sources: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), equation for the limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import NormalDist, median

from app.domain.agreement_intervals import LEVEL, Estimate

MINIMUM_JUDGEMENTS = 10
"""Timed judgements before a day has a pace: fewer say more about the tasks than about the person."""
MINIMUM_DAYS = 3
"""Days with a pace before there is a usual one."""
MINIMUM_REPEATS = 10
MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Day:
    """One person's judgements of one day: all of them, those with a measured time, and their times summed in ms."""

    day: date
    n: int
    n_timed: int
    active_ms: int
    idle_ms: int

    @property
    def per_hour(self) -> float | None:
        """Judgements an active hour; None with too few of them, or without any time."""
        if self.n_timed < MINIMUM_JUDGEMENTS or self.active_ms <= 0:
            return None
        return self.n_timed * MS_PER_HOUR / self.active_ms


@dataclass(frozen=True, slots=True)
class Pace:
    """Today's judgements an active hour, and the median over the `n_days` days before; None: not enough yet."""

    today: float | None
    usual: float | None
    n_days: int


def pace(days: Iterable[Day], today: date) -> Pace:
    days = list(days)
    now = next((day.per_hour for day in days if day.day == today), None)
    before = [day.per_hour for day in days if day.day < today and day.per_hour is not None]
    return Pace(today=now, usual=median(before) if len(before) >= MINIMUM_DAYS else None, n_days=len(before))


def share(n_same: int, n: int) -> Estimate:
    """A share with Wilson's interval, which stays within 0 and 1 however few there are; no value without any."""
    if n == 0:
        return Estimate(None, None, None, 0)
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    p = n_same / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half), n)
