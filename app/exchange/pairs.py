"""What one row asks: every pair of its responses, with the known answer and the votes said about each pair.

A row with K responses becomes K(K-1)/2 tasks. A known best response speaks about the K-1 pairs that it is part of and
says nothing about the others; a tie or "both bad" speaks about all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from app.exchange.problems import ImportProblem, shorten
from app.exchange.rows import RESPONSE_NAMES, ImportRow, Vote
from app.models import Choice
from app.projects.definitions import AnswerSchema

OF_NO_SIDE = {"tie": Choice.TIE, "both_bad": Choice.BOTH_BAD}


@dataclass(frozen=True, slots=True)
class PairVote:
    annotator: str
    choice: Choice
    strength: int
    rationale: str
    submitted_at: datetime | None
    milliseconds: int | None


@dataclass(slots=True)
class Pair:
    """Two responses of a row by their positions, `first` before `second`."""

    first: int
    second: int
    gold: Choice | None = None
    explanation: str = ""
    votes: list[PairVote] = field(default_factory=list)


def pairs_of(row: ImportRow) -> list[Pair]:
    """All pairs of the row in the order of its responses, each with what the row says about it."""
    pairs = {pair: Pair(*pair) for pair in combinations(range(len(row.responses)), 2)}
    if row.gold is not None:
        for pair in pairs.values():
            pair.gold = said_of(row.gold.choice, pair.first, pair.second)
            pair.explanation = (row.gold.explanation or "") if pair.gold is not None else ""
    for vote in row.votes:
        first, second = sorted(vote.pair)
        choice = said_of(vote.choice, first, second)
        if choice is not None:
            pairs[first, second].votes.append(
                PairVote(
                    annotator=vote.annotator,
                    choice=choice,
                    strength=strength_of(vote),
                    rationale=vote.rationale or "",
                    submitted_at=vote.submitted_at,
                    milliseconds=None if vote.seconds is None else round(vote.seconds * 1000),
                )
            )
    return list(pairs.values())


def said_of(choice: str, first: int, second: int) -> Choice | None:
    """What a choice among a row's responses says about two of them; None when it names a third."""
    if choice in OF_NO_SIDE:
        return OF_NO_SIDE[choice]
    position = RESPONSE_NAMES.index(choice)
    if position == first:
        return Choice.FIRST
    return Choice.SECOND if position == second else None


def strength_of(vote: Vote) -> int:
    """A bare choice without a strength is the weakest one that the scale has."""
    return 0 if vote.choice in OF_NO_SIDE else (vote.strength or 1)


def problems_of(row: ImportRow, schema: AnswerSchema) -> Iterator[ImportProblem]:
    """What in this row's known answer and votes does not go with the project's choices."""
    said = [("gold", row.gold.choice)] if row.gold is not None else []
    for column, choice in [*said, *(("votes", vote.choice) for vote in row.votes)]:
        if (choice == "tie" and not schema.allows_tie) or (choice == "both_bad" and not schema.allows_both_bad):
            yield ImportProblem(row.row, column, "choice_not_allowed", {"choice": choice.replace("_", " ")})
    given: set[tuple[str, tuple[int, ...]]] = set()
    for vote in row.votes:
        one = (vote.annotator, tuple(sorted(vote.pair)))
        if one in given:
            yield ImportProblem(row.row, "votes", "vote_twice", {"annotator": shorten(vote.annotator)})
        given.add(one)
        if strength_of(vote) > schema.strength_steps:
            found = {"annotator": shorten(vote.annotator), "found": vote.strength, "limit": schema.strength_steps}
            yield ImportProblem(row.row, "votes", "strength_over_scale", found)
