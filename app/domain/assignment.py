"""Handing out and counting: decisions only. The facts come from the locked rows, the dice are passed in."""

from __future__ import annotations

from typing import Literal, Protocol

from app.domain.preferences import Choice, to_side, unswap


class Dice(Protocol):
    """A source of randomness: random.Random(seed) in tests and simulations, SystemRandom at the desk."""

    def random(self) -> float: ...


def wants_gold(dice: Dice, gold_rate: float) -> bool:
    """Whether this serving should be a task with a known answer; one throw whatever the rate, so that seeds compare."""
    return dice.random() < gold_rate


def wants_swap(dice: Dice) -> bool:
    """Whether the first response stands on the right."""
    return dice.random() < 0.5


def is_counted(*, has_lease: bool, n_counted: int, n_leased_by_others: int, n_target: int) -> bool:
    """Whether an answer takes a place of its task.

    A lease keeps a place against everybody else, so its holder only needs the target not to be reached (an admin may
    have lowered it). Without a lease the places that others hold are taken too: whoever comes late must not push out
    somebody who is at work.
    """
    taken = n_counted if has_lease else n_counted + n_leased_by_others
    return taken < n_target


def is_complete(*, n_counted: int, n_target: int) -> bool:
    return n_counted >= n_target


def from_shown(answer: int | Literal["both_bad"], *, is_swapped: bool) -> tuple[Choice, int]:
    """What was answered about left and right, as (choice by stored position, strength).

    `answer` runs from -S (the left one is much better) over 0 (a tie) to S (the right one is much better).
    """
    if answer == "both_bad":
        return "both_bad", 0
    side = "left" if answer < 0 else "right" if answer > 0 else "tie"
    return unswap(side, is_swapped=is_swapped), abs(answer)


def as_shown(choice: str, strength: int, *, is_swapped: bool) -> int | Literal["both_bad"]:
    """The inverse of `from_shown`: where on the scale the person had put it."""
    side = to_side(choice, is_swapped=is_swapped)
    if side == "both_bad":
        return "both_bad"
    return -strength if side == "left" else strength
