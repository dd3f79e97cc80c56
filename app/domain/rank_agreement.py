"""Agreement on rankings: as pairs, by Kendall's tau-b between two annotators, by Kendall's W among all of a task.

Rankings are ranks (..., responses), 1 the best; equal ranks are ties and NaN is a response that was not ranked.

Sources: Kendall, "The treatment of ties in ranking problems" (1945) for tau-b; Kendall and Babington Smith, "The
problem of m rankings" (1939), with the correction for ties of Siegel and Castellan (1988) for W.
"""

from __future__ import annotations

import numpy as np

from app.domain import agreement_intervals as ai
from app.domain.agreement import Floats, Ints

PAIR_MIRROR = np.array([2, 1, 0])
"""Labels of expanded pairs: 0 the first is better, 1 a tie, 2 the second is better."""


def expanded_pairs(tasks: Ints, ranks: Floats) -> tuple[Ints, Ints, Ints]:
    """(items, labels, rankings) of all pairs within rankings (rankings, responses), (pairs,) each.

    An item is a pair of responses of a task, so that the coefficients of pairs apply, alpha_sym with PAIR_MIRROR;
    pairs with an unranked response are left out. The clusters are the tasks' prompts, since pairs of a ranking hang
    together: `rankings` says which ranking a pair is of.
    """
    n_responses = ranks.shape[1]
    left, right = np.triu_indices(n_responses, 1)
    difference = ranks[:, right] - ranks[:, left]
    ranking, pair = np.nonzero(~np.isnan(difference))
    labels = 1 - np.sign(difference[ranking, pair]).astype(np.int64)
    return tasks[ranking] * len(left) + pair, labels, ranking


def tau_b(first: Floats, second: Floats) -> Floats:
    """Kendall's tau-b of two rankings each, (rows, responses) and (rows, responses) to (rows,).

    Over the responses that both have ranked; NaN where one of them ties all.
    """
    left, right = np.triu_indices(first.shape[-1], 1)
    one = np.sign(first[..., left] - first[..., right])
    two = np.sign(second[..., left] - second[..., right])
    has_both = ~np.isnan(one) & ~np.isnan(two)
    one, two = np.where(has_both, one, 0.0), np.where(has_both, two, 0.0)
    untied = np.sqrt(np.square(one).sum(axis=-1) * np.square(two).sum(axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(untied > 0, (one * two).sum(axis=-1) / untied, np.nan)


def kendalls_w(ranks: Floats) -> Floats:
    """W of tasks (..., annotators, responses), corrected for ties; 1 is full agreement, 0 none.

    All responses must be ranked: mean ranks are taken where they tie. NaN with one annotator, or where all tie all.
    """
    m, n = ranks.shape[-2:]
    means = (ranks[..., :, None] > ranks[..., None, :]).sum(axis=-1) + (
        (ranks[..., :, None] == ranks[..., None, :]).sum(axis=-1) + 1
    ) / 2
    sums = means.sum(axis=-2)
    scatter = np.square(sums - sums.mean(axis=-1, keepdims=True)).sum(axis=-1)
    # The sum over groups of t tied ranks of t^3 - t, as each of their members has t equals.
    equals = (ranks[..., :, None] == ranks[..., None, :]).sum(axis=-1)
    ties = (np.square(equals) - 1.0).sum(axis=(-2, -1))
    largest = m**2 * (n**3 - n) - m * ties
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((largest > 0) & (m > 1), 12 * scatter / largest, np.nan)


def mean_tau(
    tasks: Ints,
    ranks: Floats,
    clusters: Ints,
    *,
    rng: np.random.Generator,
    replicates: int = ai.BOOTSTRAP_REPLICATES,
) -> ai.Estimate:
    """tau-b averaged over the pairs of annotators of a task, then over tasks, with a bootstrap over clusters.

    `tasks`, `clusters` (rankings,) and `ranks` (rankings, responses). Tasks without a defined tau are left out.
    """
    pairs = ai.pairs_of_votes(tasks)
    taus = tau_b(ranks[pairs[:, 0]], ranks[pairs[:, 1]])
    is_defined = ~np.isnan(taus)
    names, task = np.unique(tasks[pairs[is_defined, 0]], return_inverse=True)
    if not len(names):
        return ai.Estimate(None, None, None, 0, ai.Reason.NO_OVERLAP if not len(pairs) else ai.Reason.NO_VARIATION)
    mean = np.bincount(task.ravel(), weights=taus[is_defined]) / np.bincount(task.ravel())
    cluster_of = dict(zip(tasks.tolist(), clusters.tolist(), strict=True))
    return ai.estimate_mean(
        mean, np.array([cluster_of[name] for name in names.tolist()]), rng=rng, replicates=replicates
    )
