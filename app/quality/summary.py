"""The agreement of a set of votes in all its coefficients: what the page, the command and the API show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain import agreement as ag
from app.domain import agreement_intervals as ai
from app.domain.labels import Scale, infer_scale

SEED = 20_110_117
COEFFICIENTS = ("raw", "alpha_sym", "alpha_nominal", "alpha_ordinal", "ac1", "fleiss")


@dataclass(frozen=True, slots=True)
class Votes:
    """(votes,) codes from 0 into `item_names` and `annotator_names`, labels as codes of the scale.

    `clusters` is each vote's prompt: the bootstrap draws prompts. Codes count up in the order of first appearance.
    """

    items: ag.Ints
    annotators: ag.Ints
    labels: ag.Ints
    clusters: ag.Ints
    item_names: Sequence[str]
    annotator_names: Sequence[str]
    scale: Scale


@dataclass(frozen=True, slots=True)
class AgreementSummary:
    """`estimates` has a value, or a reason, for each name of COEFFICIENTS; `cohen` names annotators as the votes did.

    `label_counts` is in the order of the scale's names.
    """

    n_items: int
    n_votes: int
    n_overlapping: int
    n_clusters: int
    scale: Scale
    label_counts: tuple[int, ...]
    estimates: dict[str, ai.Estimate]
    cohen: list[tuple[str, str, ai.Estimate]]


def summarise(
    votes: Sequence[tuple[str, str, str]], *, clusters: Sequence[str] | None = None, seed: int = SEED
) -> AgreementSummary:
    """Agreement of (item, annotator, label) votes; `clusters` names the prompt of each vote (default: its item)."""
    scale = infer_scale(label for _, _, label in votes)
    code = {name: index for index, name in enumerate(scale.names)}
    item_names, items = _codes([item for item, _, _ in votes])
    annotator_names, annotators = _codes([annotator for _, annotator, _ in votes])
    coded = Votes(
        items=items,
        annotators=annotators,
        labels=np.array([code[label] for _, _, label in votes], dtype=np.int64),
        clusters=items if clusters is None else _codes(clusters)[1],
        item_names=item_names,
        annotator_names=annotator_names,
        scale=scale,
    )
    return summarise_coded(coded, seed=seed)


def summarise_coded(votes: Votes, *, seed: int = SEED, with_pairs: bool = True) -> AgreementSummary:
    """The seed makes the bootstrap intervals of the page, the command and the API the same."""
    scale, n_items, k = votes.scale, len(votes.item_names), len(votes.scale.names)
    counts = ag.label_counts(votes.items, votes.labels, n_items=n_items, n_labels=k)
    cluster_of_item = np.zeros(n_items, dtype=np.int64)
    cluster_of_item[votes.items] = votes.clusters
    statistics: dict[str, ai.Statistic] = {
        "raw": ag.raw_of,
        "alpha_nominal": ai.alpha_statistic(),
        "ac1": ag.gwet_of,
        "fleiss": ag.fleiss_of,
    }
    if scale.mirror is not None:
        statistics["alpha_sym"] = ai.alpha_statistic(mirror=scale.mirror)
    if scale.values is not None:
        statistics["alpha_ordinal"] = ai.alpha_statistic(metric="ordinal")
    found = ai.estimate_all(counts, cluster_of_item, statistics, rng=np.random.default_rng(seed))
    usable = counts.sum(axis=1) >= 2
    n = int(usable.sum())
    without = ai.Estimate(None, None, None, n, ai.Reason.NOT_APPLICABLE)
    cohen = (
        ai.pair_kappas(
            votes.items,
            votes.annotators,
            votes.labels,
            votes.clusters,
            n_labels=k,
            rng=np.random.default_rng(seed),
        )
        if with_pairs
        else []
    )
    return AgreementSummary(
        n_items=n_items,
        n_votes=len(votes.items),
        n_overlapping=n,
        n_clusters=len(np.unique(cluster_of_item[usable])),
        scale=scale,
        label_counts=tuple(int(count) for count in counts.sum(axis=0)),
        estimates={name: found.get(name, without) for name in COEFFICIENTS},
        cohen=[(votes.annotator_names[pair.first], votes.annotator_names[pair.second], pair.kappa) for pair in cohen],
    )


def _codes(names: Sequence[str]) -> tuple[list[str], ag.Ints]:
    """The distinct names in the order of first appearance, and each one's code."""
    known: dict[str, int] = {}
    codes = [known.setdefault(name, len(known)) for name in names]
    return list(known), np.array(codes, dtype=np.int64)


def as_json(summary: AgreementSummary) -> dict[str, Any]:
    """One object. Each coefficient is a number, or null where there is none; `intervals` has the rest about it.

    An interval's `reason` says why the value or the interval is missing, in a word of `agreement_intervals.Reason`.
    """
    return {
        "n_items": summary.n_items,
        "n_votes": summary.n_votes,
        "n_overlapping": summary.n_overlapping,
        "n_clusters": summary.n_clusters,
        "labels": dict(zip(summary.scale.names, summary.label_counts, strict=True)),
        **{name: summary.estimates[name].value for name in COEFFICIENTS},
        "intervals": {name: _interval(summary.estimates[name]) for name in COEFFICIENTS},
        "cohen": [
            {"first": first, "second": second, "n_items": kappa.n, "kappa": kappa.value, **_interval(kappa)}
            for first, second, kappa in summary.cohen
        ],
    }


def _interval(estimate: ai.Estimate) -> dict[str, Any]:
    reason = estimate.reason.value if estimate.reason else None
    return {"low": estimate.low, "high": estimate.high, "n": estimate.n, "reason": reason}


NAMES = {
    "raw": "raw",
    "alpha_sym": "alpha_sym",
    "alpha_nominal": "alpha nominal",
    "alpha_ordinal": "alpha ordinal",
    "ac1": "AC1",
    "fleiss": "Fleiss",
}
WORDS = {
    ai.Reason.NO_OVERLAP: "no item has two votes",
    ai.Reason.NO_VARIATION: "no variation: only one label was given",
    ai.Reason.NOT_APPLICABLE: "does not apply to these labels",
    ai.Reason.TOO_FEW_ITEMS: f"fewer than {ai.MINIMUM_ITEMS} items with two votes",
    ai.Reason.TOO_FEW_PROMPTS: f"fewer than {ai.MINIMUM_CLUSTERS} prompts",
    ai.Reason.NO_SPREAD: "every resample gives the same",
    ai.Reason.RARE_LABELS: "a label is too rare",
}


def as_table(summary: AgreementSummary) -> str:
    """The same for eyes, a coefficient a line."""
    labels = ", ".join(f"{name} {n}" for name, n in zip(summary.scale.names, summary.label_counts, strict=True))
    lines = [
        f"{summary.n_votes} votes on {summary.n_items} items, {summary.n_overlapping} of them with two votes or more",
        f"labels: {labels}",
        "",
    ]
    lines += [f"{NAMES[name]:<14} {_words(summary.estimates[name])}" for name in COEFFICIENTS]
    lines += [f"{'Cohen':<14} {_words(kappa)}, {first} and {second}" for first, second, kappa in summary.cohen]
    if not summary.cohen:
        lines.append(f"{'Cohen':<14} no two annotators share {ai.PAIR_MINIMUM_ITEMS} items")
    return "\n".join(lines)


def _words(estimate: ai.Estimate) -> str:
    why = WORDS[estimate.reason] if estimate.reason else ""
    if estimate.value is None:
        return why
    if estimate.low is None:
        return f"{estimate.value:.4f}  (no interval: {why}), {estimate.n} items"
    return f"{estimate.value:.4f}  [{estimate.low:.4f}, {estimate.high:.4f}], {estimate.n} items"
