"""Whether someone chooses by side: an e-process for P(left) = 1/2, and false discovery control over annotators.

Sides are drawn by a fair coin for each serving, so that whoever looks at the responses, whatever they prefer, chooses
left in half of the judgements that take a side. Under a Beta(a, a) alternative the evidence after L lefts and R rights
is E = 2^(L + R) B(a + L, a + R) / B(a, a), a martingale with mean 1 for everybody who is not biased: it reaches
1 / alpha with probability alpha at most, however often one looks (Ville). It depends on the counts alone, so that
judgements can be added and retracted in any order.

Sources: Ville (1939); Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); Wang and
Ramdas, "False discovery rate control with e-values" (2022), which holds whatever the dependence between annotators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR = 10.0
ALPHA = 0.001
FALSE_DISCOVERIES = 0.05


def log_evidence(left: Ints, right: Ints, *, prior: float = PRIOR) -> Floats:
    """log E of counts of any shape."""
    return np.asarray(
        special.betaln(prior + left, prior + right) - special.betaln(prior, prior) + (left + right) * math.log(2),
        dtype=np.float64,
    )


@dataclass(frozen=True, slots=True)
class PositionState:
    """Judgements that took a side, by the side of the screen."""

    left: int = 0
    right: int = 0

    def add(self, *, is_left: bool) -> PositionState:
        return PositionState(self.left + is_left, self.right + (not is_left))

    def retract(self, *, is_left: bool) -> PositionState:
        """ValueError where there is no such judgement."""
        state = PositionState(self.left - is_left, self.right - (not is_left))
        if min(state.left, state.right) < 0:
            raise ValueError("there is no such judgement to retract")
        return state

    @property
    def log_evidence(self) -> float:
        return float(log_evidence(np.array(self.left), np.array(self.right)))

    def is_flagged(self, *, alpha: float = ALPHA) -> bool:
        """Of one annotator, looked at after every judgement: true for at most the share `alpha` of the unbiased."""
        return self.log_evidence >= -math.log(alpha)


def flagged(log_e: Floats, *, false_discoveries: float = FALSE_DISCOVERIES) -> NDArray[np.bool_]:
    """e-BH over annotators (annotators,): of those flagged, at most this share is expected to be unbiased.

    With m annotators, the k with most evidence are flagged for the largest k where the k-th has E >= m / (k times the
    share). The evidence is that of now: the largest that somebody once had is no e-value.
    """
    m = len(log_e)
    if not m:
        return np.zeros(0, dtype=bool)
    ordered = np.sort(log_e)[::-1]
    is_enough = ordered >= np.log(m) - np.log(np.arange(1, m + 1)) - math.log(false_discoveries)
    n_flagged = int(np.flatnonzero(is_enough)[-1]) + 1 if is_enough.any() else 0
    return np.asarray(log_e >= ordered[n_flagged - 1], dtype=bool) if n_flagged else np.zeros(m, dtype=bool)
