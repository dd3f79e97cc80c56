"""Gold and imported votes of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.exchange.problems import RowError, kind_of, shorten
from app.exchange.records import Unparsed, column_name
from app.exchange.rows import BOTH_BAD, RESPONSE_NAMES, TIE, Gold, Limits, Vote
from app.exchange.values import check_text

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_INDEX = {name: index for index, name in enumerate(RESPONSE_NAMES)}
_SHORT = {name[-1]: name for name in RESPONSE_NAMES}


@dataclass(frozen=True, slots=True)
class Names:
    """What a record calls its responses: response_a …, or chosen and rejected. The values are their indexes."""

    indexes: Mapping[str, int]

    @property
    def count(self) -> int:
        return len(self.indexes)

    def index(self, written: object) -> int | None:
        name = column_name(written)
        return self.indexes.get(_SHORT.get(name, name))


def listed_names(count: int) -> Names:
    return Names({name: index for index, name in enumerate(RESPONSE_NAMES[:count])})


def read_gold(value: Any, explanation: Any, names: Names, limits: Limits) -> Gold | None:
    if isinstance(value, dict):
        value, explanation = value.get("choice"), value.get("explanation", explanation)
        if value is None:
            raise RowError("gold_kind", "gold", kind="an object without choice")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RowError("gold_kind", "gold", kind=kind_of(value))
    choice = _choice(value, names, "gold")
    if explanation in (None, ""):
        return Gold(choice)
    return Gold(choice, check_text(explanation, "gold_explanation", limits.rationale_characters))


def read_votes(values: Any, names: Names, limits: Limits) -> tuple[Vote, ...]:
    if values is None:
        return ()
    if isinstance(values, Unparsed):
        raise RowError("cell_json", "votes", detail=str(values))
    if not isinstance(values, list | tuple):
        raise RowError("votes_kind", "votes", kind=kind_of(values))
    if len(values) > limits.votes:
        raise RowError("votes_many", "votes", found=len(values), limit=limits.votes)
    votes = []
    seen = set()
    for number, value in enumerate(values, 1):
        column = f"votes (number {number})"
        vote = _vote(value, names, column, limits)
        who = (vote.annotator, vote.pair if vote.ranking is None else None)
        if who in seen:
            raise RowError("vote_twice", column, annotator=shorten(vote.annotator))
        seen.add(who)
        votes.append(vote)
    return tuple(votes)


def _vote(value: Any, names: Names, column: str, limits: Limits) -> Vote:
    if not isinstance(value, dict):
        raise RowError("vote_kind", column, kind=kind_of(value))
    get = value.get
    annotator = get("annotator")
    if isinstance(annotator, int) and not isinstance(annotator, bool):
        annotator = str(annotator)
    if not isinstance(annotator, str) or not annotator.strip():
        raise RowError("vote_annotator", column)
    ranking = _ranking(get("ranking"), names, column)
    choice = None if ranking is not None else _choice(get("choice"), names, f"{column}, choice")
    pair = (0, 1) if ranking is not None else _pair(get("pair"), names, column)
    if choice is not None and choice in _INDEX and _INDEX[choice] not in pair:
        written = " and ".join(name for name, index in names.indexes.items() if index in pair)
        raise RowError("choice_outside", f"{column}, choice", choice=shorten(get("choice")), pair=written)
    rationale = get("rationale")
    if isinstance(rationale, str) and not rationale.strip():
        rationale = None
    if rationale is not None:
        rationale = check_text(rationale, f"{column}, rationale", limits.rationale_characters)
    return Vote(
        annotator=check_text(annotator, f"{column}, annotator", limits.name_characters).strip(),
        choice=choice,
        pair=pair,
        ranking=ranking,
        strength=None if choice is None else _strength(get("strength"), choice, column),
        submitted_at=_time(get("submitted_at"), column),
        seconds=_seconds(get("seconds"), column, limits),
        rationale=rationale,
    )


def _choice(value: Any, names: Names, column: str) -> str:
    """The choice as this program stores it: a response name by its place, `tie` or `both_bad`."""
    if isinstance(value, str):
        index = names.index(value)
        if index is not None:
            return RESPONSE_NAMES[index]
        written = column_name(value)
        if written in {TIE, BOTH_BAD}:
            return written
        if written in _SHORT or written in _INDEX:
            raise RowError("choice_missing", column, choice=shorten(value), known=", ".join(names.indexes))
    known = ", ".join([*names.indexes, TIE, BOTH_BAD])
    raise RowError("choice_unknown", column, choice=shorten(value), known=known)


def _ranking(value: Any, names: Names, column: str) -> tuple[tuple[int, ...], ...] | None:
    """Places from the best; each response of the row stands in one of them."""
    if value is None:
        return None
    places: list[tuple[int, ...]] = []
    for place in value if isinstance(value, list | tuple) else []:
        indexes = [names.index(name) for name in (place if isinstance(place, list | tuple) else [place])]
        places.append(tuple(sorted(index for index in indexes if index is not None)))
    if sorted(index for place in places for index in place) != list(range(names.count)) or not all(places):
        raise RowError("vote_ranking", f"{column}, ranking")
    return tuple(places)


def _pair(value: Any, names: Names, column: str) -> tuple[int, int]:
    if value is None:
        if names.count > 2:
            raise RowError("pair_needed", column, found=names.count)
        return (0, 1)
    indexes = [names.index(name) for name in value] if isinstance(value, list | tuple) else []
    known = sorted({index for index in indexes if index is not None})
    if len(indexes) != 2 or len(known) != 2:
        raise RowError("pair_kind", f"{column}, pair")
    return (known[0], known[1])


def _strength(value: Any, choice: str, column: str) -> int | None:
    if value is None:
        return None
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value in range(5)
    if not is_whole or (choice in _INDEX) != (value > 0):
        raise RowError("vote_strength", f"{column}, strength", value=shorten(value))
    return int(value) or None


def _time(value: Any, column: str) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
        time = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        if _EARLIEST <= time < _LATEST:
            return time
    except (ValueError, OverflowError, AttributeError, TypeError):
        pass
    raise RowError("vote_time", f"{column}, submitted_at", value=shorten(value))


def _seconds(value: Any, column: str, limits: Limits) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= limits.seconds:
        raise RowError("vote_seconds", f"{column}, seconds", value=shorten(value), limit=limits.seconds)
    return float(value)
