"""Accuracy and calibration of several sets of scores on the same pairs, with paired differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._learning_data import Flags, Floats, Ints

if TYPE_CHECKING:
    from workers.training.data import Pair

MEASURES = ("accuracy", "accuracy_shorter", "nll", "brier", "ece")
BINS = 10
SEED = 20_110_117


def measures(
    pairs: list[Pair], deltas: dict[str, Floats], differences: list[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """For each of `deltas`, (pairs,) log-odds that chosen is better, the five measures with their intervals; and for
    each two names the paired difference of the first less the second. Intervals draw whole debates (the clusters of
    the pairs), all measures on the same draws.
    """
    from app.domain.agreement import bootstrap
    from workers.training.evaluation.accuracy import agrees, labels, longer
    from workers.training.evaluation.shares import REPLICATES, cluster_codes

    p, length = labels(pairs), longer(pairs)
    shorter = (agrees(length, p) == 0) & (p != 0.5)
    clusters = cluster_codes([pair.prompt_cluster for pair in pairs])
    columns = np.concatenate([_columns(delta, p, shorter, agrees(delta, p)) for delta in deltas.values()], axis=1)
    sums = np.zeros((int(clusters.max()) + 1, columns.shape[1]))
    np.add.at(sums, clusters, columns)
    names = list(deltas)
    places = [(names.index(one), names.index(other)) for one, other in differences]

    def statistic(totals: Floats) -> Floats:
        each = _measured(totals.reshape(len(totals), len(names), -1))
        apart = [each[:, one] - each[:, other] for one, other in places]
        return np.concatenate([each, np.stack(apart, axis=1)], axis=1) if apart else each

    value = statistic(sums.sum(axis=0, keepdims=True))[0]
    rng = np.random.default_rng([SEED, 0])
    ends = np.quantile(bootstrap(sums, statistic, rng=rng, replicates=REPLICATES), [0.025, 0.975], axis=0)
    titles = [*names, *(f"{one} - {other}" for one, other in differences)]
    return {
        title: {
            name: {
                "value": round(float(value[row, column]), 6),
                "interval": [round(float(end), 6) for end in ends[:, row, column]],
            }
            for column, name in enumerate(MEASURES)
        }
        for row, title in enumerate(titles)
    }


def _columns(delta: Floats, p: Floats, shorter: Flags, right: Floats) -> Floats:
    """(pairs, 7 + bins): what each pair adds to the sums that `_measured` reads."""
    from workers.training.evaluation.calibration import preferred

    probability = 1 / (1 + np.exp(-np.clip(delta, -500, 500)))
    nll = p * np.logaddexp(0, -delta) + (1 - p) * np.logaddexp(0, delta)
    confidence, outcome = preferred(delta, p)
    gaps = np.zeros((len(p), BINS))
    bins: Ints = np.minimum(((confidence - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    gaps[np.arange(len(p)), bins] = confidence - outcome
    takes_side = p != 0.5
    parts = [right * takes_side, takes_side, right * shorter, shorter, nll, (probability - p) ** 2, np.ones(len(p))]
    return np.concatenate([np.stack(parts, axis=1), gaps], axis=1)


def _measured(sums: Floats) -> Floats:
    """(draws, models, 5) from sums (draws, models, 7 + bins)."""
    right, sided, right_shorter, shorter, nll, brier, n = np.moveaxis(sums[..., :7], -1, 0)
    ece = np.abs(sums[..., 7:]).sum(axis=-1) / n
    shorter_share = right_shorter / np.maximum(shorter, 1)
    return np.stack([right / np.maximum(sided, 1), shorter_share, nll / n, brier / n, ece], axis=-1)


def table(found: dict[str, dict[str, Any]]) -> str:
    titles = ("accuracy", "shorter wins", "NLL", "Brier", "ECE")
    lines = [f"  {'':22s}" + "".join(f"{title:>26s}" for title in titles)]
    for name, measured in found.items():
        cells = [_cell(measured[each], is_difference=" - " in name) for each in MEASURES]
        lines.append(f"  {name:22s}" + "".join(f"{cell:>26s}" for cell in cells))
    return "\n".join(lines)


def _cell(measured: dict[str, Any], *, is_difference: bool) -> str:
    sign = "+" if is_difference else ""
    low, high = measured["interval"]
    return f"{measured['value']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
