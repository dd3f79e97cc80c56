"""How many judgements a task needs: when its votes are sure enough, and when one more is asked for.

The share q of people who prefer the likelier answer is taken to follow Beta(a, a) over tasks, the prior of the soft
labels: a is such that two votes agree as often as they do in the project (`aggregation.pseudo_votes`). Given votes the
posterior is a Beta again, and `certainty` is the probability that the answer in front is the likelier one. Asking one
more at a time from 2 to 7 until it is .90 takes 3.12 votes a task where people agree in .73 of pairs, and names the
right side as often as five votes of everybody do (.885).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.domain.aggregation import pseudo_votes
from app.domain.noise_ceiling import half_beta
from app.domain.preferences import Choice

SURE = 0.90
USUAL_AGREEMENT = 0.73
"""Of two votes, before a project has shown how often its people agree (the middle of published projects)."""
USUAL_WEIGHT = 20
"""So many pairs of votes is the usual agreement worth beside a project's own."""
CLEAR_SHARE = 0.75
"""Of all strength that was given, so much must stand on one side where opposed votes lie far apart."""


class Vote(NamedTuple):
    """A judgement by stored position; `strength` is 1..S for a side, 0 for a tie or both bad."""

    choice: Choice
    strength: int


def project_agreement(n_agreeing: int, n_pairs: int) -> float:
    """How often two votes agree, from pairs of votes of a project, drawn towards the usual while they are few."""
    return (n_agreeing + USUAL_WEIGHT * USUAL_AGREEMENT) / (n_pairs + USUAL_WEIGHT)


def certainty(votes: Sequence[Vote], agreement: float) -> float:
    """The probability that the answer in front is the one that most people would give; .5 where two are level.

    The answer in front is a side, or neither (a tie, both bad). Against a side, neither weighs half a vote for and
    half against; against neither, each vote for a side weighs whole.
    """
    n_first = sum(vote.choice == "first" for vote in votes)
    n_second = sum(vote.choice == "second" for vote in votes)
    n_neither = len(votes) - n_first - n_second
    if n_neither > max(n_first, n_second):
        backing, against = float(n_neither), float(n_first + n_second)
    else:
        backing, against = max(n_first, n_second) + n_neither / 2, min(n_first, n_second) + n_neither / 2
    a = pseudo_votes(agreement)
    return max(0.5, half_beta(a + against, a + backing))


def strengths_conflict(votes: Sequence[Vote], strength_steps: int) -> bool:
    """Whether opposed votes lie a scale's length apart or more, and neither side has three quarters of all strength."""
    signed = [vote.strength if vote.choice == "second" else -vote.strength for vote in votes]
    if not signed or max(signed) - min(signed) < strength_steps or max(signed) <= 0 or min(signed) >= 0:
        return False
    given = sum(abs(strength) for strength in signed)
    right = sum(strength for strength in signed if strength > 0)
    return max(right, given - right) < CLEAR_SHARE * given


def wants_another(
    votes: Sequence[Vote], *, agreement: float, strength_steps: int, n_target: int, max_overlap: int
) -> bool:
    """Whether a task that has the judgements it asked for should ask for one more."""
    if n_target >= max_overlap or not votes:
        return False
    return certainty(votes, agreement) < SURE or strengths_conflict(votes, strength_steps)
