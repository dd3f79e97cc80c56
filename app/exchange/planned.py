"""The tasks that one row becomes in a project, with the known answer and the votes said about each.

Where the project asks for the better of two, a row with K responses becomes K(K-1)/2 tasks, one for each pair. A known
best response speaks about the K-1 pairs that it is part of and says nothing about the others; a tie or "both bad"
speaks about all of them. Any other project gets one task with all responses, or with none: a bare prompt.
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
Positions = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GivenVote:
    """A judgement of a planned task; `choice` of its two responses, or `ranking` with places from the best."""

    annotator: str
    choice: Choice | None
    strength: int
    ranking: tuple[Positions, ...] | None
    rationale: str
    submitted_at: datetime | None
    milliseconds: int | None


@dataclass(slots=True)
class PlannedTask:
    """Responses of a row by their positions in it, in ascending order."""

    positions: Positions
    gold: Choice | None = None
    explanation: str = ""
    votes: list[GivenVote] = field(default_factory=list)


def tasks_of(row: ImportRow, schema: AnswerSchema) -> list[PlannedTask]:
    """The row's tasks in the order of its responses, each with what the row says about it."""
    if schema.pairwise is None or not row.responses:
        whole = PlannedTask(tuple(range(len(row.responses))))
        whole.votes = [_given(vote, None) for vote in row.votes]
        return [whole]
    pairs = {pair: PlannedTask(pair) for pair in combinations(range(len(row.responses)), 2)}
    if row.gold is not None:
        for (first, second), task in pairs.items():
            task.gold = said_of(row.gold.choice, first, second)
            task.explanation = (row.gold.explanation or "") if task.gold is not None else ""
    for vote in row.votes:
        first, second = sorted(vote.pair)
        choice = said_of(vote.choice or "", first, second)
        if choice is not None:
            pairs[first, second].votes.append(_given(vote, choice))
    return list(pairs.values())


def _given(vote: Vote, choice: Choice | None) -> GivenVote:
    return GivenVote(
        annotator=vote.annotator,
        choice=choice,
        strength=strength_of(vote) if choice is not None else 0,
        ranking=vote.ranking,
        rationale=vote.rationale or "",
        submitted_at=vote.submitted_at,
        milliseconds=None if vote.seconds is None else round(vote.seconds * 1000),
    )


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
    """What in this row does not go with what the project asks for."""
    unfit = _unfit(row, schema)
    if unfit is not None:
        yield unfit
        return
    if schema.pairwise is None and row.gold is not None:
        yield ImportProblem(row.row, "gold", "gold_needs_pairs")
    given: set[tuple[str, Positions]] = set()
    for vote in row.votes:
        one = (vote.annotator, () if vote.choice is None else tuple(sorted(vote.pair)))
        if one in given:
            yield ImportProblem(row.row, "votes", "vote_twice", {"annotator": shorten(vote.annotator)})
        given.add(one)
    yield from _choices_not_asked(row, schema) if schema.pairwise else _rankings_not_asked(row, schema)


def _unfit(row: ImportRow, schema: AnswerSchema) -> ImportProblem | None:
    """A number of responses that this project has no question for; a pairwise project takes more apart into pairs."""
    found = len(row.responses)
    if schema.fits(2 if schema.pairwise and found > 2 else found):
        return None
    if not schema.compares:
        return ImportProblem(row.row, "responses", "responses_not_asked")
    return ImportProblem(row.row, "responses", "responses_few", {"found": found})


def _choices_not_asked(row: ImportRow, schema: AnswerSchema) -> Iterator[ImportProblem]:
    asked = schema.pairwise
    assert asked is not None
    said = [("gold", row.gold.choice)] if row.gold is not None else []
    for column, choice in [*said, *(("votes", vote.choice) for vote in row.votes)]:
        if choice is None:
            yield ImportProblem(row.row, column, "vote_ranks_pairs")
        elif (choice == "tie" and not asked.allows_tie) or (choice == "both_bad" and not asked.allows_both_bad):
            yield ImportProblem(row.row, column, "choice_not_allowed", {"choice": choice.replace("_", " ")})
    for vote in row.votes:
        if vote.choice is not None and strength_of(vote) > asked.strength_steps:
            found = {"annotator": shorten(vote.annotator), "found": vote.strength, "limit": asked.strength_steps}
            yield ImportProblem(row.row, "votes", "strength_over_scale", found)


def _rankings_not_asked(row: ImportRow, schema: AnswerSchema) -> Iterator[ImportProblem]:
    for vote in row.votes:
        if schema.ranking is None or vote.ranking is None:
            yield ImportProblem(row.row, "votes", "vote_needs_ranking" if schema.ranking else "votes_not_asked")
        elif not schema.ranking.allows_tie and any(len(tied) > 1 for tied in vote.ranking):
            yield ImportProblem(row.row, "votes", "choice_not_allowed", {"choice": "tie"})
