"""Handing out and counting: decisions only. The facts come from the locked rows, the dice are passed in."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal, Protocol

from app.domain.preferences import Choice, to_side, unswap


class Dice(Protocol):
    """A source of randomness: random.Random(seed) in tests and simulations, SystemRandom at the desk."""

    def random(self) -> float: ...


REPEAT_AFTER = timedelta(days=1)
REPEAT_BEFORE_LAST = 20
"""So many of a person's newest judgements are never repeated, however long ago they were given."""
LARGEST_GOLD_RATE = 0.5
SKILL, GROUP = "skill:", "group:"


class Source(StrEnum):
    """Where the next task is to come from, if there is one to be had there; the queue has what is left."""

    GOLD = "gold"
    REPEAT = "repeat"
    QUEUE = "queue"


def draw_source(dice: Dice, *, gold_rate: float, repeat_rate: float) -> Source:
    """One throw whatever the rates, so that seeds compare."""
    thrown = dice.random()
    if thrown < gold_rate:
        return Source.GOLD
    return Source.REPEAT if thrown < gold_rate + repeat_rate else Source.QUEUE


def gold_rate(*, of_project: float, of_person: float | None) -> float:
    """The share of known answers: what quality control asks for with this person, or else the project's."""
    return min(max(of_project if of_person is None else of_person, 0.0), LARGEST_GOLD_RATE)


def quota_of(of_project: int | None, of_person: int | None) -> int | None:
    """A person's own quota takes the place of the project's; None is no end."""
    return of_project if of_person is None else of_person


def is_reached(quota: int | None, given: int) -> bool:
    return quota is not None and given >= quota


def main_language(code: str) -> str:
    """pt of pt-BR: people and tasks meet by language, wherever it is spoken."""
    return code.strip().lower().replace("_", "-").split("-")[0]


def is_escalation(*, place: int, overlap: int, own_overlap: int) -> bool:
    """Whether the vote at `place` (0 is the first) was asked for after votes were looked at.

    The policy's `overlap` and what an import asked for stand before anybody judges; what lies beyond was added on
    disagreement or by hand, and agreement must not be read off it.
    """
    return place >= max(overlap, own_overlap)


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
