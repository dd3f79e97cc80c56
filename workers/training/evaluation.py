"""How good a reward model is on held-out pairs, beside what the length of the texts alone would have said.

Accuracy counts pairs whose label takes a side (p other than 0.5); a model that scores both responses alike gets half.
Intervals are 95% percentiles of a bootstrap over prompt clusters, since pairs on one prompt are not independent;
the difference to length-only is paired: both are computed on the same resampled clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.domain.agreement import bootstrap
from workers.training.data import Pair
from workers.training.encoding import Encoded, Sequence, collate
from workers.training.models import Scorer, rewards

Floats = NDArray[np.float64]
BINS = 10
REPLICATES = 1000
MINIMUM_CLUSTERS = 5


def score_pairs(
    scorer: Scorer,
    encoded: Encoded,
    *,
    batch_size: int,
    device: torch.device,
    precision: torch.dtype,
    between: Callable[[], None],
) -> Floats:
    """(pairs, 2) scores of chosen and rejected. Each distinct sequence is read once; `between` is called per batch."""
    distinct = sorted({*encoded.chosen, *encoded.rejected}, key=lambda sequence: (len(sequence.ids), sequence.ids))
    found: dict[Sequence, float] = {}
    was_training = scorer.model.training
    scorer.model.eval()
    try:
        for start in range(0, len(distinct), batch_size):
            between()
            part = distinct[start : start + batch_size]
            with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
                scores = rewards(scorer.model, collate(part, scorer, device))
            found.update(zip(part, scores.tolist(), strict=True))
    finally:
        scorer.model.train(was_training)
    return np.array([(found[a], found[b]) for a, b in zip(encoded.chosen, encoded.rejected, strict=True)])


def evaluate(pairs: list[Pair], scores: Floats, *, seed: int = 0) -> dict[str, Any]:
    """The metrics of one set of pairs, ready for JSON; a value that cannot be computed is None."""
    p = np.array([pair.p for pair in pairs])
    delta = scores[:, 0] - scores[:, 1]
    # Characters of chosen minus characters of rejected: the whole of the length-only model.
    longer = np.array([len(pair.chosen) - len(pair.rejected) for pair in pairs], dtype=np.float64)
    clusters = np.unique([pair.prompt_cluster for pair in pairs], return_inverse=True)[1].ravel()
    takes_side = p != 0.5
    right, long_right = agrees(delta, p), agrees(longer, p)
    shorter = takes_side & (long_right == 0)
    metrics = {
        "n_pairs": len(pairs),
        "n_ties": int((~takes_side).sum()),
        "n_clusters": int(clusters.max()) + 1,
        **_compared(right, long_right, takes_side, clusters, seed=seed),
        **_share("eval_accuracy_shorter", right, shorter, clusters, seed=seed),
        "n_shorter": int(shorter.sum()),
        **calibration(delta, p, seed=seed),
        "mean_reward": float(scores.mean()),
        "mean_margin": float(np.where(p >= 0.5, delta, -delta).mean()),
        "reward_length_correlation": _correlation(pairs, scores),
    }
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in metrics.items()}


def agrees(difference: Floats, p: Floats) -> Floats:
    """1 where the sign of a difference is the side of the label, 0 where it is not, one half where it has no sign."""
    return np.where(difference == 0, 0.5, (np.sign(difference) == np.sign(p - 0.5)).astype(np.float64))


def calibration(delta: Floats, p: Floats, *, seed: int = 0) -> dict[str, Any]:
    """Negative log-likelihood, Brier score, and the expected calibration error beside what chance alone makes of it.

    Chosen is the better side by convention, so that the confidence speaks of the side the model prefers. ECE is
    taken over ten bins of equal width from .5 to 1. No model has an ECE of 0 on finite data: `ece_null` is the mean
    of a perfectly calibrated model with these confidences over 200 simulated label sets.
    """
    probability = 1.0 / (1.0 + np.exp(-np.clip(delta, -500, 500)))
    nll = p * np.logaddexp(0, -delta) + (1 - p) * np.logaddexp(0, delta)
    confidence = np.maximum(probability, 1 - probability)
    outcome = np.where(delta >= 0, p, 1 - p)
    rng = np.random.default_rng([seed, 1])
    null = [_ece(confidence, (rng.random(len(p)) < confidence).astype(np.float64)) for _ in range(200)]
    return {
        "nll": float(nll.mean()),
        "brier": float(np.square(probability - p).mean()),
        "ece": _ece(confidence, outcome),
        "ece_null": float(np.mean(null)),
    }


def _ece(confidence: Floats, outcome: Floats) -> float:
    """Naeini et al. 2015: the sum over bins of |mean confidence - mean outcome| times the bin's share."""
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - outcome, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def _compared(right: Floats, length: Floats, kept: NDArray[np.bool_], clusters: Any, *, seed: int) -> dict[str, Any]:
    """Accuracy of the model, of length alone, and their difference on the same pairs."""
    accuracy = _share("eval_accuracy", right, kept, clusters, seed=seed)
    baseline = _share("length_only_accuracy", length, kept, clusters, seed=seed)
    gain = _share("accuracy_gain", right - length, kept, clusters, seed=seed)
    return {**accuracy, **baseline, **gain}


def _share(name: str, values: Floats, kept: NDArray[np.bool_], clusters: Any, *, seed: int) -> dict[str, Any]:
    """The mean over the kept pairs, with its interval where there are at least five clusters to draw from."""
    interval = name + "_interval"
    if not kept.any():
        return {name: None, interval: None}
    groups = np.unique(clusters[kept], return_inverse=True)[1].ravel()
    sums = np.stack([np.bincount(groups, weights=values[kept]), np.bincount(groups)], axis=1).astype(np.float64)
    value = float(values[kept].mean())
    if len(sums) < MINIMUM_CLUSTERS:
        return {name: value, interval: None}
    rng = np.random.default_rng([seed, 0])  # the same draws for model, baseline and difference
    drawn = bootstrap(sums, lambda totals: totals[:, 0] / totals[:, 1], rng=rng, replicates=REPLICATES)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {name: value, interval: [round(float(low), 6), round(float(high), 6)]}


def _correlation(pairs: list[Pair], scores: Floats) -> float | None:
    """Pearson correlation of score and characters over all responses; None where one of them never varies."""
    lengths = np.array([(len(pair.chosen), len(pair.rejected)) for pair in pairs], dtype=np.float64).ravel()
    flat = scores.ravel()
    if np.ptp(lengths) == 0 or np.ptp(flat) == 0:
        return None
    return float(np.corrcoef(lengths, flat)[0, 1])
