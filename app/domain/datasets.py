"""Frozen data sets: rows from canonical votes, the split by prompt cluster, and the form that is hashed.

Nothing here depends on the order in which votes were stored, nor on which response of a pair is called the first.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain.aggregation import soft_labels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DIGITS = 6
"""Floats are rounded to 1e-6, so that a sum taken in another order is the same row."""
MINIMUM_CLUSTERS = 5
"""Fewer clusters than these give no interval; the trainer's evaluation draws the same line."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One value a pair, (pairs,): `p` and `margin` speak for the chosen side.

    `is_low_chosen` says whether that is the response with the lower id; `strength` is the mean of |s| over the votes.
    """

    p: Floats
    is_low_chosen: Flags
    margin: Floats
    strength: Floats
    n_votes: Ints

    @property
    def is_tie(self) -> Flags:
        return np.asarray(self.p == 0.5, dtype=np.bool_)


def label_pairs(
    pairs: Ints,
    signed_strength: Ints,
    steps: Ints,
    *,
    n_pairs: int,
    agreement: float,
    weights: Floats | None = None,
) -> Labels:
    """Soft labels from votes (votes,) about pairs 0 to n_pairs - 1, each with a vote.

    A vote's value for the response with the lower id is v = (s + S) / (2S), s its signed strength in -S..S; both bad
    comes as 0. Chosen is the side with p >= .5, on equality the lower id. A vote weighs `weights` (votes,) in p, 1
    without them; margin, strength and n_votes are those of the votes as they are.
    """
    weights = np.ones(len(pairs)) if weights is None else weights
    order = np.lexsort((weights, steps, signed_strength, pairs))
    pairs, signed, steps = pairs[order], signed_strength[order], steps[order]
    values = vote_values(signed, steps)
    for_low = _rounded(soft_labels(pairs, values, weights[order], n_items=n_pairs, agreement=agreement))
    is_low = for_low >= 0.5
    n_votes = np.bincount(pairs, minlength=n_pairs)
    some = np.maximum(n_votes, 1)
    margin = np.bincount(pairs, weights=signed, minlength=n_pairs) / some
    strength = np.bincount(pairs, weights=np.abs(signed), minlength=n_pairs) / some
    return Labels(
        p=_rounded(np.where(is_low, for_low, 1 - for_low)),
        is_low_chosen=is_low,
        margin=_rounded(np.where(is_low, margin, -margin)),
        strength=_rounded(strength),
        n_votes=n_votes,
    )


def vote_values(signed_strength: Ints, steps: Ints) -> Floats:
    """v = (s + S) / (2S), (votes,): 1 for the one side, 0 for the other, a tie one half."""
    return np.asarray((signed_strength + steps) / (2 * steps), dtype=np.float64)


def text_cluster(texts: Iterable[str]) -> str:
    """The cluster of prompts that say the same but for case, width and spaces; `texts` are role and text in turn."""
    plain = "\x1f".join(" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts)
    return f"text:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


def held_out_clusters(sizes: Mapping[str, int], sided: Collection[str], *, share: float, seed: int) -> frozenset[str]:
    """The clusters held out, so that about `share` of all rows are theirs; `sizes` counts the rows of each.

    Clusters stand in the order of a hash of seed and name, and one is taken where that brings the number of rows
    nearer to what is wanted: the miss is at most half of the largest cluster. Beyond that, each side gets one cluster
    of `sided` at least, the names of those with a row whose label takes a side: without such a row, nothing can be
    learnt or measured. Raises ValueError where there are fewer than two of them.
    """
    if len(sided) < 2:
        raise ValueError("a split needs two clusters with a side or more")
    ordered = sorted(sizes, key=lambda name: (hashlib.sha256(f"{seed}\x1f{name}".encode()).digest(), name))
    wanted, rows = share * sum(sizes.values()), 0
    taken: set[str] = set()
    for name in ordered:
        if abs(rows + sizes[name] - wanted) < abs(rows - wanted):
            taken.add(name)
            rows += sizes[name]
    smallest = min((name for name in ordered if name in sided), key=lambda name: sizes[name])
    if not taken.intersection(sided):
        taken.add(smallest)
    elif taken.issuperset(sided):
        taken.remove(smallest)
    return frozenset(taken)


def is_held_out(cluster: str, *, share: float, seed: int) -> bool:
    """Whether a cluster is held out where nothing is known of the others: about `share` of all names are."""
    drawn = hashlib.sha256(f"{seed}\x1f{cluster}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big") < share * 2**64


def ranks(wins: Sequence[tuple[int, int]], members: Iterable[int]) -> dict[int, int]:
    """Places 1.. of the members of a ranking from (winner, loser) pairs: one more than how many beat one."""
    beaten = dict.fromkeys(members, 0)
    for _winner, loser in wins:
        beaten[loser] += 1
    return {member: 1 + count for member, count in beaten.items()}


def length_only(longer: Ints, clusters: Ints, *, seed: int) -> ai.Estimate:
    """How often the longer response is the chosen one, with an interval from a bootstrap over clusters.

    `longer` (rows,) is characters of chosen minus characters of rejected, on rows whose label takes a side; equal
    lengths count one half. It is what a model would reach that only counts.
    """
    if not len(longer):
        return ai.Estimate(None, None, None, 0, ai.Reason.NO_OVERLAP)
    right = np.where(longer == 0, 0.5, (longer > 0).astype(np.float64))
    groups = np.unique(clusters, return_inverse=True)[1].ravel()
    sums = np.stack([np.bincount(groups, weights=right), np.bincount(groups)], axis=1).astype(np.float64)
    value = float(right.mean())
    if len(sums) < MINIMUM_CLUSTERS:
        return ai.Estimate(value, None, None, len(longer), ai.Reason.TOO_FEW_ITEMS)
    drawn = ag.bootstrap(
        sums,
        lambda totals: totals[:, 0] / totals[:, 1],
        rng=np.random.default_rng(seed),
        replicates=ai.BOOTSTRAP_REPLICATES,
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return ai.Estimate(value, float(low), float(high), len(longer))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinities are a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_line(row: Mapping[str, Any]) -> bytes:
    """One row as it stands in the file and in the hash: canonical JSON in UTF-8 and a line end."""
    return canonical_json(row).encode() + b"\n"


def rounded(value: float) -> float:
    return round(float(value), DIGITS) + 0.0


def _rounded(values: Floats) -> Floats:
    """Zero has no sign, so that the other side's zero is the same.

    Rounded finely first: sums that differ in their last bit, as the two sides' do, must not fall on different sides of
    a half.
    """
    return np.asarray(np.round(np.round(values, 2 * DIGITS), DIGITS) + 0.0, dtype=np.float64)
