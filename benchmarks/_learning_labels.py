"""Hard, soft and reliability-weighted labels of the same votes, tested on debates that no vote of theirs spoke of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._learning_data import Flags, Floats, Shelf, Votes, knob, whole_numbers
from benchmarks._learning_measures import measures, table

if TYPE_CHECKING:
    from workers.training.data import Pair

ARMS = ("hard", "soft", "weighted")
BASELINES = ("length", "surface", "words")
DIFFERENCES = [
    ("soft", "hard"),
    ("weighted", "soft"),
    ("weighted", "hard"),
    *((arm, "length") for arm in ARMS),
    ("soft", "words"),
]


def measure(votes: Votes, shelf: Shelf) -> dict[str, Any]:
    """All folds asked for; the table is printed after each, over those done so far."""
    folds = whole_numbers(knob("FOLDS", "1,0,2,3"))
    found: dict[str, Any] = {}
    done: list[tuple[list[Pair], list[Pair], dict[str, Floats]]] = []
    facts = []
    for fold in folds:
        held_out = votes.fold(fold)
        cleaned, by_votes = (
            votes.cleaned_of(held_out),
            votes.pairs_of(np.flatnonzero(held_out & votes.differ), votes.shares),
        )
        deltas, fact = _fold(votes, shelf, fold, held_out, [*cleaned, *by_votes])
        done.append((cleaned, by_votes, deltas))
        facts.append({"fold": fold, **fact})
        found = _pooled(done)
        print(f"labels: folds {', '.join(str(each['fold']) for each in facts)} of {len(folds)}")
        print(_titled(found), flush=True)
    return {"folds": facts, **found}


def _fold(
    votes: Votes, shelf: Shelf, fold: int, held_out: Flags, test: list[Pair]
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Differences of scores (test pairs,) by each arm and baseline, and what they were made of."""
    from workers.training.evaluation import baselines

    kept = np.flatnonzero(~held_out & votes.differ)
    soft, agreement = votes.labels(~held_out, is_weighted=False)
    weighted, weighted_agreement = votes.labels(~held_out, is_weighted=True)
    deltas = {}
    for arm in ARMS:
        p = weighted if arm == "weighted" else soft
        options = {"labels": "hard" if arm == "hard" else "soft"}
        scores = shelf.scores(f"labels-{fold}-{arm}", votes.pairs_of(kept, p), test, options)
        deltas[arm] = scores[:, 0] - scores[:, 1]
    deltas |= {name: delta for name, delta, _ in baselines.fitted(votes.pairs_of(kept, soft), test)}
    return deltas, {
        "topics": sorted(set(votes.topics[held_out].tolist())),
        "n_train_pairs": len(kept),
        "n_ties_left_out_by_hard": int((soft[kept] == 0.5).sum()),
        "agreement": round(agreement, 6),
        "weighted_agreement": round(weighted_agreement, 6),
        "n_sides_turned_by_weights": int(((soft - 0.5) * (weighted - 0.5) < 0)[kept].sum()),
    }


def _pooled(done: list[tuple[list[Pair], list[Pair], dict[str, Floats]]]) -> dict[str, Any]:
    """The measures over all folds together: on the authors' cleaned pairs, and on all pairs by the share of votes."""
    cleaned = [pair for first, _second, _deltas in done for pair in first]
    by_votes = [pair for _first, second, _deltas in done for pair in second]
    on_cleaned, on_votes = (
        {
            name: np.concatenate([_part(deltas[name], first, is_first) for first, _, deltas in done])
            for name in (*ARMS, *BASELINES)
        }
        for is_first in (True, False)
    )
    return {
        "n_pairs": len(cleaned),
        "n_debates": len({pair.prompt_cluster for pair in cleaned}),
        "cleaned": measures(cleaned, on_cleaned, DIFFERENCES),
        "n_pairs_by_votes": len(by_votes),
        "by_votes": measures(by_votes, on_votes, DIFFERENCES),
    }


def _part(delta: Floats, cleaned: list[Pair], is_cleaned: bool) -> Floats:
    return delta[: len(cleaned)] if is_cleaned else delta[len(cleaned) :]


def _titled(found: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"the authors' cleaned pairs: {found['n_pairs']:,} of {found['n_debates']} debates",
            table(found["cleaned"]),
            f"all pairs by the share of their votes: {found['n_pairs_by_votes']:,}",
            table(found["by_votes"]),
        ]
    )
