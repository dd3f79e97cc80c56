"""The agreement of a set of votes in all its coefficients: what the page, the command and the API show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain import agreement as ag
from app.domain.labels import Scale, infer_scale

SEED = 20_110_117


@dataclass(frozen=True, slots=True)
class AgreementSummary:
    """`cohen` names annotators as the votes did; coefficients that do not apply to the labels are None."""

    n_items: int
    n_votes: int
    scale: Scale
    raw: float | None
    alpha_sym: ag.Estimate | None
    alpha_nominal: ag.Estimate
    alpha_ordinal: ag.Estimate | None
    ac1: float | None
    fleiss: float | None
    cohen: list[tuple[str, str, ag.PairKappa]]


def summarise(
    votes: Sequence[tuple[str, str, str]], *, clusters: Sequence[str] | None = None, seed: int = SEED
) -> AgreementSummary:
    """Agreement of (item, annotator, label) votes; `clusters` names the prompt of each vote (default: its item).

    The seed makes the bootstrap intervals of the page, the command and the API the same.
    """
    scale = infer_scale(label for _, _, label in votes)
    code = {name: index for index, name in enumerate(scale.names)}
    item_names, items = _codes([item for item, _, _ in votes])
    annotator_names, annotators = _codes([annotator for _, annotator, _ in votes])
    labels = np.array([code[label] for _, _, label in votes], dtype=np.int64)
    counts = ag.label_counts(items, labels, n_items=len(item_names), n_labels=len(scale.names))
    cluster_of_item = np.arange(len(item_names))
    if clusters is not None:
        cluster_of_item[items] = _codes(clusters)[1]

    def alpha(**options: Any) -> ag.Estimate:
        return ag.estimate_alpha(counts, cluster_of_item, rng=np.random.default_rng(seed), **options)

    return AgreementSummary(
        n_items=len(item_names),
        n_votes=len(votes),
        scale=scale,
        raw=ag.raw_agreement(counts),
        alpha_sym=alpha(mirror=scale.mirror) if scale.mirror is not None else None,
        alpha_nominal=alpha(),
        alpha_ordinal=alpha(metric="ordinal") if scale.values is not None else None,
        ac1=ag.gwet(counts),
        fleiss=ag.fleiss(counts),
        cohen=[
            (annotator_names[pair.first], annotator_names[pair.second], pair)
            for pair in ag.pair_kappas(items, annotators, labels, n_labels=len(scale.names))
        ],
    )


def _codes(names: Sequence[str]) -> tuple[list[str], ag.Ints]:
    """The distinct names in the order of first appearance, and each one's code."""
    known: dict[str, int] = {}
    codes = [known.setdefault(name, len(known)) for name in names]
    return list(known), np.array(codes, dtype=np.int64)


def as_json(summary: AgreementSummary) -> dict[str, Any]:
    """One object with the keys n_items, n_votes, raw, alpha_sym, alpha_nominal, alpha_ordinal, ac1, fleiss, cohen."""
    return {
        "n_items": summary.n_items,
        "n_votes": summary.n_votes,
        "labels": list(summary.scale.names),
        "raw": summary.raw,
        "alpha_sym": _estimate(summary.alpha_sym),
        "alpha_nominal": _estimate(summary.alpha_nominal),
        "alpha_ordinal": _estimate(summary.alpha_ordinal),
        "ac1": summary.ac1,
        "fleiss": summary.fleiss,
        "cohen": [
            {"first": first, "second": second, "n_items": pair.n_items, "kappa": pair.kappa, "reason": pair.reason}
            for first, second, pair in summary.cohen
        ],
    }


def _estimate(estimate: ag.Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "reason": estimate.reason,
    }


def as_table(summary: AgreementSummary) -> str:
    """The same for eyes, a coefficient a line."""
    lines = [f"{summary.n_votes} votes on {summary.n_items} items, labels {', '.join(summary.scale.names)}", ""]
    for name, estimate in (
        ("alpha_sym", summary.alpha_sym),
        ("alpha nominal", summary.alpha_nominal),
        ("alpha ordinal", summary.alpha_ordinal),
    ):
        lines.append(f"{name:<14} {_words(estimate)}")
    for name, value in (("raw", summary.raw), ("AC1", summary.ac1), ("Fleiss", summary.fleiss)):
        lines.append(f"{name:<14} {'no variation' if value is None else f'{value:.4f}'}")
    for first, second, pair in summary.cohen:
        kappa = "no variation" if pair.kappa is None else f"{pair.kappa:.4f}"
        lines.append(f"Cohen          {kappa}  {first} and {second}, {pair.n_items} items")
    return "\n".join(lines)


def _words(estimate: ag.Estimate | None) -> str:
    if estimate is None:
        return "does not apply to these labels"
    if estimate.value is None:
        return str(estimate.reason).replace("_", " ")
    if estimate.low is None:
        return f"{estimate.value:.4f}  (no interval: {str(estimate.reason).replace('_', ' ')})"
    return f"{estimate.value:.4f}  [{estimate.low:.4f}, {estimate.high:.4f}], {estimate.n} items"
