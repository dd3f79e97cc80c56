"""The named votes of a version as arrays, and what they say together: agreement, counts, rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.datasets import queries
from app.domain import agreement as ag
from app.domain.datasets import Flags, Floats, Ints, vote_values
from app.domain.reliability_weights import weighted_side_agreement
from app.errors import Conflict
from app.models import OverlapReason
from app.quality.summary import summarise

AGREEMENT_REASONS = (OverlapReason.BASE, OverlapReason.IMPORTED, OverlapReason.CALIBRATION)
"""Over votes that were asked for because others disagreed, agreement would read far too high."""


@dataclass(frozen=True, slots=True)
class NamedVotes:
    """(votes,) arrays in the order of pairs and vote ids; `pairs` are codes 0.. into `low`, `high`, `criterion`."""

    pairs: Ints
    signed: Ints
    steps: Ints
    annotators: Ints
    guidelines: Ints
    """Numbers of guideline versions; 0: the vote was given without any."""
    is_both_bad: Flags
    is_for_agreement: Flags
    low: Ints
    high: Ints
    criterion: list[str]
    kinds: dict[str, int]
    reasons: dict[str, int]
    groups: dict[int, str] = field(default_factory=dict)
    """The ranking that a pair belongs to, by the pair's code."""
    members: dict[str, set[int]] = field(default_factory=dict)
    """The responses of each ranking."""

    @property
    def n_pairs(self) -> int:
        return len(self.low)

    def codes(self) -> dict[tuple[int, int], list[int]]:
        """Codes of the pairs of two responses, one for each criterion."""
        found: dict[tuple[int, int], list[int]] = {}
        for code, key in enumerate(zip(self.low.tolist(), self.high.tolist(), strict=True)):
            found.setdefault(key, []).append(code)
        return found

    def newest_guidelines(self) -> Ints:
        """(pairs,) the newest guideline version among each pair's votes; 0 where none was given under any."""
        newest = np.zeros(self.n_pairs, dtype=np.int64)
        np.maximum.at(newest, self.pairs, self.guidelines)
        return newest

    def agreement(self, clusters: list[str]) -> dict[str, Any]:
        """Base agreement as app.quality computes it; `clusters` (pairs,) are drawn by the bootstrap."""
        keep = np.flatnonzero(self.is_for_agreement)
        if not len(keep):
            return {"raw": None, "alpha_sym": None, "n_items": 0, "n_votes": 0}  # adaptive votes alone
        items = self.pairs[keep].tolist()
        named = [f"{low}-{high} {name}" for low, high, name in zip(self.low, self.high, self.criterion, strict=True)]
        votes = list(
            zip(
                [named[item] for item in items],
                map(str, self.annotators[keep].tolist()),
                map(_label, self.signed[keep].tolist(), self.is_both_bad[keep].tolist()),
                strict=True,
            )
        )
        summary = summarise(votes, clusters=[clusters[item] for item in items])
        alpha = summary.estimates["alpha_sym"]
        return {
            "raw": summary.estimates["raw"].value,
            "alpha_sym": {**asdict(alpha), "reason": alpha.reason.value if alpha.reason else None},
            "n_items": summary.n_items,
            "n_votes": summary.n_votes,
        }

    def side_agreement(self, weights: Floats | None = None) -> float | None:
        """How often two annotators who both take a side take the same one; None where no two of them meet.

        This is the P of the labels: their prior is that of votes for one side or the other, and raw
        agreement, for which a tie is a label of its own, would read too low beside ties. Without ties the two are one.
        With `weights` (votes,) each two votes count by the product of theirs.
        """
        keep = np.flatnonzero(self.is_for_agreement & (self.signed != 0))
        if weights is not None:
            values = vote_values(self.signed[keep], self.steps[keep])
            return weighted_side_agreement(self.pairs[keep], values, weights[keep], n_items=self.n_pairs)
        sides = (self.signed[keep] > 0).astype(np.int64)
        return ag.raw_agreement(ag.label_counts(self.pairs[keep], sides, n_items=self.n_pairs, n_labels=2))


def _label(signed: int, is_both_bad: bool) -> str:
    return "both_bad" if is_both_bad else "A" if signed > 0 else "B" if signed < 0 else "tie"


def read(session: Session, version_id: int, *, seen: Callable[[int], None]) -> NamedVotes:
    """All named votes; Conflict where there are none. `seen` is told how many were read so far."""
    numbers: list[Ints] = []
    flags: list[Flags] = []
    criteria: list[str] = []
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    ranked: list[tuple[int, str]] = []
    n_votes = 0
    for chunk in queries.named_votes(session, version_id):
        low, high, names, signed, both_bad, groups, steps, annotators, of_kind, of_reason, guidelines = zip(
            *chunk, strict=True
        )
        numbers.append(
            np.array([low, high, signed, steps, annotators, [number or 0 for number in guidelines]], dtype=np.int64)
        )
        flags.append(np.array([both_bad, [reason in AGREEMENT_REASONS for reason in of_reason]], dtype=np.bool_))
        criteria += names
        kinds.update(of_kind)
        reasons.update(of_reason)
        ranked += [(n_votes + i, str(group)) for i, group in enumerate(groups) if group is not None]
        n_votes += len(chunk)
        seen(n_votes)
    if not n_votes:
        raise no_votes()
    table, marks = np.concatenate(numbers, axis=1), np.concatenate(flags, axis=1)
    return _named(table, marks, criteria, ranked, kinds=dict(kinds), reasons=dict(reasons))


def no_votes() -> Conflict:
    return Conflict(
        "No vote fits this policy, so there is nothing to freeze. Collect or import judgements first, "
        "or let the policy use more of them.",
        code="no_votes",
    )


def _named(
    table: Ints,
    marks: Flags,
    criteria: list[str],
    ranked: list[tuple[int, str]],
    *,
    kinds: dict[str, int],
    reasons: dict[str, int],
) -> NamedVotes:
    low, high, signed, steps, annotators, guidelines = table
    names = np.array(criteria)
    is_new = np.ones(len(low), dtype=np.bool_)
    is_new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (names[1:] != names[:-1])
    pairs = np.cumsum(is_new) - 1
    starts = np.flatnonzero(is_new)
    groups: dict[int, str] = {}
    members: dict[str, set[int]] = {}
    for vote, group in ranked:
        pair = int(pairs[vote])
        # Several rankings of the same responses: the smallest id stands for them all.
        groups[pair] = min(groups.get(pair, group), group)
        members.setdefault(group, set()).update((int(low[vote]), int(high[vote])))
    return NamedVotes(
        pairs=pairs,
        signed=signed,
        steps=steps,
        annotators=annotators,
        guidelines=guidelines,
        is_both_bad=marks[0],
        is_for_agreement=marks[1],
        low=low[starts],
        high=high[starts],
        criterion=[criteria[start] for start in starts.tolist()],
        kinds=kinds,
        reasons=reasons,
        groups=groups,
        members=members,
    )
