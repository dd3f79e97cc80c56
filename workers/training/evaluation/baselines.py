"""What models reach that do not understand a word, fitted on the training pairs: length, surface, words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training.data import Pair
from workers.training.evaluation.accuracy import agrees, labels
from workers.training.evaluation.calibration import calibration
from workers.training.evaluation.features import SURFACE, Words, surface_differences
from workers.training.evaluation.logistic import Differences, fit
from workers.training.evaluation.shares import cluster_codes, measured

Floats = NDArray[np.float64]


def compare(train: list[Pair], pairs: list[Pair], right: Floats, *, seed: int = 0) -> dict[str, dict[str, Any]]:
    """For length, surface and words: `accuracy`, `model_gain` (both with intervals), `nll` and `coefficients`.

    `right` (pairs,) says where the model is right; its gain over a baseline is taken on the same pairs, drawn
    together. Coefficients are for a difference of one standard deviation over the training pairs; of the words, those
    of the ten largest each way.
    """
    p = labels(pairs)
    clusters = cluster_codes([pair.prompt_cluster for pair in pairs])
    found = {}
    for name, delta, coefficients in fitted(train, pairs):
        baseline = agrees(delta, p)
        shares = measured({"accuracy": baseline, "model_gain": right - baseline}, p != 0.5, clusters, seed=seed)
        nll = round(calibration(delta, p, seed=seed)["nll"], 6)
        found[name] = {**shares, "nll": nll, "coefficients": coefficients}
    return found


def fitted(train: list[Pair], pairs: list[Pair]) -> Iterator[tuple[str, Floats, dict[str, float]]]:
    """(name, differences of scores of `pairs`, coefficients) of each baseline."""
    p, weight = labels(train), np.array([pair.weight for pair in train], dtype=np.float64)
    fit_on, apply_to = surface_differences(train), surface_differences(pairs)
    spread = fit_on.std(axis=0)
    spread[spread == 0] = 1.0  # what never differs has no coefficient but 0
    fit_on, apply_to = fit_on / spread, apply_to / spread
    for name, n in (("length", 1), ("surface", len(SURFACE))):
        beta = fit(Differences.of(fit_on[:, :n]), p, weight)
        named = {feature: round(float(value), 6) for feature, value in zip(SURFACE, beta, strict=False)}
        yield name, apply_to[:, :n] @ beta, named
    words = Words.of(train)
    beta = fit(words.differences(train), p, weight)
    yield "words", words.differences(pairs).times(beta), _largest(words, beta)


def _largest(words: Words, beta: Floats, *, each_way: int = 10) -> dict[str, float]:
    """The words with the most positive and the most negative weights."""
    ordered = sorted(words.places, key=lambda word: (-beta[words.places[word]], word))
    shown = ordered if len(ordered) <= 2 * each_way else [*ordered[:each_way], *ordered[-each_way:]]
    return {word: round(float(beta[words.places[word]]), 6) for word in shown}
