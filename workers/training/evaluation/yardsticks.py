"""What a reward model's accuracy is read beside: baselines, the noise ceiling, and what a temperature would change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training.data import Pair
from workers.training.evaluation import baselines, temperature
from workers.training.evaluation.accuracy import agrees, labels
from workers.training.evaluation.ceiling import noise_ceiling, soft_accuracy

Floats = NDArray[np.float64]
TEMPERATURE_SHARE = 0.5


def beside(
    train: list[Pair],
    pairs: list[Pair],
    scores: Floats,
    *,
    agreement: float | None = None,
    share: float = TEMPERATURE_SHARE,
    seed: int = 0,
) -> dict[str, Any]:
    """`soft_accuracy` with its interval, `noise_ceiling`, `temperature` and `baselines`; None for what cannot be said.

    `scores` (pairs, 2) are those of `pairs`. Baselines are fitted on `train`, and None without. `agreement` is how
    often two annotators take the same side; None reads it off the labels. `share` of the pairs fits the temperature.
    """
    delta = scores[:, 0] - scores[:, 1]
    ceiling = noise_ceiling(pairs, agreement=agreement)
    known = ceiling["base_agreement"] if ceiling else None
    return {
        **soft_accuracy(pairs, delta, agreement=known, seed=seed),
        "noise_ceiling": ceiling,
        "temperature": temperature.scale(pairs, delta, share=share, seed=seed),
        "baselines": baselines.compare(train, pairs, agrees(delta, labels(pairs)), seed=seed) if train else None,
    }
