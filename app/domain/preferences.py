"""A judgement becomes a preference: the side of the screen undone, strength signed for the response with the lower id.

Everything downstream (agreement, aggregation, training) reads canonical preferences only, so that it cannot matter on
which side a response was shown, nor in which order a pair was stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Choice = Literal["first", "second", "tie", "both_bad"]
SideChoice = Literal["left", "right", "tie", "both_bad"]


@dataclass(frozen=True, slots=True)
class CanonicalPreference:
    """`signed_strength` in -S..S speaks for `low_response_id`; 0 is a tie, or both bad where `is_both_bad` says so."""

    low_response_id: int
    high_response_id: int
    signed_strength: int
    is_both_bad: bool


def to_preferences(choice: str, strength: int, first_response_id: int, second_response_id: int) -> CanonicalPreference:
    """The canonical form of one judgement about a pair.

    `strength` is 1..S for a side and 0 otherwise; anything else, an unknown choice, or a response compared with
    itself is a ValueError, since a wrong row here would be wrong for ever.
    """
    if first_response_id == second_response_id:
        raise ValueError("a response cannot be compared with itself")
    is_side = choice in ("first", "second")
    if not is_side and choice not in ("tie", "both_bad"):
        raise ValueError(f"unknown choice: {choice!r}")
    if is_side != (strength > 0) or strength < 0:
        raise ValueError(f"strength {strength} does not go with the choice {choice!r}")
    for_first = strength if choice == "first" else -strength
    is_ordered = first_response_id < second_response_id
    low, high = sorted((first_response_id, second_response_id))
    return CanonicalPreference(
        low_response_id=low,
        high_response_id=high,
        signed_strength=for_first if is_ordered else -for_first,
        is_both_bad=choice == "both_bad",
    )


def ranking_pairs(places: Sequence[Sequence[int]]) -> list[CanonicalPreference]:
    """All K(K-1)/2 pairs of a ranking: `places` from the best, each with the ids of the responses that share it.

    Strength is 1 on a scale of 1; responses of one place are tied. A response named twice is a ValueError.
    """
    order = [(place, response_id) for place, tied in enumerate(places) for response_id in tied]
    if len({response_id for _place, response_id in order}) < len(order):
        raise ValueError("a response stands twice in the ranking")
    return [
        to_preferences("tie", 0, one, other) if place == place_of_other else to_preferences("first", 1, one, other)
        for (place, one), (place_of_other, other) in combinations(order, 2)
    ]


def rating_pairs(ratings: Mapping[int, int]) -> list[CanonicalPreference]:
    """All pairs of rated responses, by how many points one is above the other: strengths on a scale of points - 1."""
    found = []
    for one, other in combinations(sorted(ratings), 2):
        difference = ratings[one] - ratings[other]
        choice = "first" if difference > 0 else "second" if difference < 0 else "tie"
        found.append(to_preferences(choice, abs(difference), one, other))
    return found


def best_pairs(best: int | None, response_ids: Sequence[int]) -> list[CanonicalPreference]:
    """What naming the best of several says: it is above each other one, and nothing about the others among themselves.

    `best` None says that none stands out: all are tied.
    """
    if best is None:
        return ranking_pairs([response_ids])
    if best not in response_ids:
        raise ValueError("the best response is none of those compared")
    return [to_preferences("first", 1, best, other) for other in response_ids if other != best]


def shown_order(n_responses: int, *, is_swapped: bool, serving: bytes) -> list[int]:
    """Task positions in the order in which they are shown.

    Two are in order or swapped. More are shuffled by `serving`, random bytes that name the lease, so that the same
    lease shows the same order whenever it is opened.
    """
    if n_responses == 2:
        return [1, 0] if is_swapped else [0, 1]
    return sorted(range(n_responses), key=lambda position: hashlib.sha256(serving + bytes([position])).digest())


def unswap(side_choice: str, *, is_swapped: bool) -> Choice:
    """The answer by stored position from the answer by side of the screen; `is_swapped`: the first stood right."""
    match side_choice:
        case "left":
            return "second" if is_swapped else "first"
        case "right":
            return "first" if is_swapped else "second"
        case "tie" | "both_bad":
            return side_choice
        case _:
            raise ValueError(f"unknown side: {side_choice!r}")


def to_side(choice: str, *, is_swapped: bool) -> SideChoice:
    """The inverse of `unswap`: where a stored answer stands on the screen, for showing it again."""
    match choice:
        case "first":
            return "right" if is_swapped else "left"
        case "second":
            return "left" if is_swapped else "right"
        case "tie" | "both_bad":
            return choice
        case _:
            raise ValueError(f"unknown choice: {choice!r}")


def vote_value(signed_strength: int, strength_steps: int) -> float:
    """v = (s + S) / (2S): 1 is a full vote for the response with the lower id, 0 one against it, a tie is .5."""
    if strength_steps < 1 or abs(signed_strength) > strength_steps:
        raise ValueError(f"strength {signed_strength} is outside a scale of {strength_steps}")
    return (signed_strength + strength_steps) / (2 * strength_steps)
