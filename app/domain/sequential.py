"""Comparing two models while the votes come in: looking often must not make winners.

Under the hypothesis that the first wins a decided comparison with probability p, the evidence against it after w wins
and l losses is E(p) = B(a + w, a + l) / B(a, a) / (p^w (1 - p)^l), the likelihood of a Beta(a, a) mixture over p's own.
It is a martingale with mean 1, so that it ever reaches 1 / alpha with probability alpha at most (Ville), and the p that
it does not refuse form an interval that holds the true p at all times at once. It depends on the counts alone: votes
can be added and retracted in any order. Ties are set aside; what is compared is who wins where somebody does.

Sources: Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); Howard, Ramdas, McAuliffe
and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences" (2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

ALPHA = 0.05
PRIOR = 50.0
"""Most sensitive to win rates some .05 from one half, which is what two good models differ by."""
_HALVINGS = 60


def log_evidence(wins: Floats, losses: Floats, *, p: Floats | float = 0.5, prior: float = PRIOR) -> Floats:
    """log E(p) of counts of any shape; infinite where p is 0 or 1 and the votes say otherwise."""
    mixture = special.betaln(prior + wins, prior + losses) - special.betaln(prior, prior)
    return np.asarray(mixture - special.xlogy(wins, p) - special.xlog1py(losses, -np.asarray(p)), dtype=np.float64)


def interval(wins: Floats, losses: Floats, *, alpha: float = ALPHA, prior: float = PRIOR) -> tuple[Floats, Floats]:
    """(low, high) of the first's share of decided comparisons: holds at all times at once with probability 1 - alpha.

    Counts of any shape; (0, 1) without any.
    """
    wins, losses = np.asarray(wins, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    total = wins + losses
    share = np.divide(wins, total, out=np.full(total.shape, 0.5), where=total > 0)
    ends = []
    for end in (0.0, 1.0):
        inside, outside = share.copy(), np.full(total.shape, end)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            is_refused = log_evidence(wins, losses, p=middle, prior=prior) >= -math.log(alpha)
            inside, outside = np.where(is_refused, inside, middle), np.where(is_refused, middle, outside)
        ends.append(np.where(total > 0, outside, end))
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True)
class Duel:
    """Two models' votes so far, seen from the first."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    def add(self, outcome: int) -> Duel:
        """1 for a win of the first, -1 for a loss, 0 for a tie."""
        return self._changed(outcome, 1)

    def retract(self, outcome: int) -> Duel:
        """ValueError where there is no such vote."""
        return self._changed(outcome, -1)

    def _changed(self, outcome: int, by: int) -> Duel:
        if outcome not in (-1, 0, 1):
            raise ValueError(f"unknown outcome: {outcome!r}")
        changed = Duel(
            self.wins + by * (outcome == 1), self.losses + by * (outcome == -1), self.ties + by * (outcome == 0)
        )
        if min(changed.wins, changed.losses, changed.ties) < 0:
            raise ValueError("there is no such vote to retract")
        return changed

    @property
    def p_value(self) -> float:
        """Valid whenever one looks: 1 / E(1/2), at most 1."""
        return min(1.0, math.exp(-float(log_evidence(np.array(self.wins), np.array(self.losses)))))

    def winner(self, *, alpha: float = ALPHA) -> int:
        """1 if the first is better, -1 if the second is, 0 while that is open."""
        if self.p_value > alpha:
            return 0
        return 1 if self.wins > self.losses else -1
