"""How sure a soft label is: what the votes leave open about the share of people who prefer the chosen side.

With the prior of the soft labels, Beta(a, a), and votes of total weight W, that share follows
Beta(p (2a + W), (1 - p) (2a + W)), as in `noise_ceiling`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from app.domain.aggregation import Floats, pseudo_votes

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class LabelUncertainty:
    """(items,): the central 95% of the share who prefer the first side, and the probability that the label names the
    side that fewer prefer.
    """

    low: Floats
    high: Floats
    wrong_side: Floats


def label_uncertainty(p: Floats, weight: Floats, *, agreement: float) -> LabelUncertainty:
    """Of soft labels p (items,) from votes of these total weights, made with this base agreement."""
    total = 2 * pseudo_votes(agreement) + weight
    alpha, beta = np.maximum(p * total, 1e-9), np.maximum((1 - p) * total, 1e-9)
    below = special.betainc(alpha, beta, 0.5)
    tail = (1 - LEVEL) / 2
    return LabelUncertainty(
        np.asarray(special.betaincinv(alpha, beta, tail), dtype=np.float64),
        np.asarray(special.betaincinv(alpha, beta, 1 - tail), dtype=np.float64),
        np.minimum(below, 1 - below).astype(np.float64),
    )
