"""A judgement in the letters of the screen becomes the stored answer by response ids, and its preferences; and back.

The letters A, B, C … name the responses as they stood before the annotator: nothing that is sent or received there
carries an id, and nothing that is stored depends on the order of the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.annotation.schemas import LETTERS, Judgement
from app.domain.assignment import as_shown, from_shown
from app.domain.preferences import CanonicalPreference, best_pairs, ranking_pairs, rating_pairs, to_preferences
from app.errors import Invalid
from app.projects.definitions import OVERALL, AnswerSchema, Asked, Comparison, Likert


class StoredEdit(BaseModel):
    """What was written as a better response, from a copy of the response `source`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: int
    text: str


class StoredAnswer(BaseModel):
    """`annotation.answer`: all that was said beside the choice of two. Numbers are response ids, ratings points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranking: list[list[int]] | None = None
    """Places from the best, each with the responses that share it."""
    ratings: dict[str, dict[int, int]] = {}
    """By criterion and response."""
    comparisons: dict[str, int | Literal["tie"]] = {}
    """By criterion: the response that meets it best."""
    tags: list[str] = []
    response_tags: dict[int, list[str]] = {}
    edit: StoredEdit | None = None
    demonstration: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Without what was not said, so that a bare choice is an empty object."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Given:
    """A judgement as it is stored. `choice` None: the schema asks for no choice of two."""

    choice: str | None
    strength: int
    answer: StoredAnswer


@dataclass(frozen=True, slots=True)
class Derived:
    """A preference with the criterion it speaks of, and the S of its strength."""

    preference: CanonicalPreference
    criterion: str
    strength_steps: int


def read(
    judgement: Judgement,
    schema: AnswerSchema,
    *,
    shown: Sequence[int],
    is_swapped: bool,
    source_text: Callable[[int], str],
) -> Given:
    """What the judgement says by ids; Invalid, with the field and a sentence, where the schema does not ask for that.

    `shown` are the response ids in the order of the screen; `source_text` reads one, for an edit to be compared with.
    """
    ids = dict(zip(LETTERS, shown, strict=False))
    if not shown:
        return _demonstration(judgement, schema)
    if judgement.demonstration is not None:
        raise Invalid("This task has responses to judge, and asks for no answer of yours.", field="demonstration")
    choice, strength = _choice(judgement, schema, n_responses=len(shown), is_swapped=is_swapped)
    ranking = _ranking(judgement, schema, ids)
    ratings = _ratings(judgement, schema, ids)
    comparisons = _comparisons(judgement, schema, ids)
    tags, response_tags = _tags(judgement, schema, ids)
    edit = _edit(judgement, schema, ids, source_text)
    if schema.rationale == Asked.REQUIRED and not judgement.rationale:
        raise Invalid("Please give your reasons; this project asks for them.", field="rationale")
    answer = StoredAnswer(
        ranking=ranking,
        ratings=ratings,
        comparisons=comparisons,
        tags=tags,
        response_tags=response_tags,
        edit=edit,
    )
    return Given(choice, strength, answer)


def _demonstration(judgement: Judgement, schema: AnswerSchema) -> Given:
    """The answer to a bare prompt; tags of the task may stand beside it, and nothing that is about responses."""
    said = judgement.answer, judgement.ranking, judgement.edit
    if any(part is not None for part in said) or judgement.ratings or judgement.comparisons:
        raise Invalid("This task has no responses to judge. Write an answer to the prompt.", field="demonstration")
    if not judgement.demonstration:
        raise Invalid("Write an answer to the prompt, or skip this one.", field="demonstration")
    tags, _response_tags = _tags(judgement, schema, {})
    return Given(None, 0, StoredAnswer(demonstration=judgement.demonstration, tags=tags))


def _choice(
    judgement: Judgement, schema: AnswerSchema, *, n_responses: int, is_swapped: bool
) -> tuple[str | None, int]:
    asked = schema.pairwise
    if asked is None or n_responses != 2:
        if judgement.answer is not None:
            raise Invalid("This task asks for no choice between two.", field="answer")
        return None, 0
    if judgement.answer is None:
        raise Invalid("Choose which response is better, or skip this one.", field="answer")
    choice, strength = from_shown(judgement.answer, is_swapped=is_swapped)
    if strength > asked.strength_steps:
        raise Invalid("Choose a point of the scale between the two responses.", field="answer")
    if choice == "tie" and not asked.allows_tie:
        raise Invalid("Ties are not allowed in this project. Choose a side.", field="answer")
    if choice == "both_bad" and not asked.allows_both_bad:
        raise Invalid("“Both bad” is not an answer in this project. Choose a side.", field="answer")
    return choice, strength


def _ranking(judgement: Judgement, schema: AnswerSchema, ids: Mapping[str, int]) -> list[list[int]] | None:
    if schema.ranking is None:
        if judgement.ranking is not None:
            raise Invalid("This task asks for no ranking.", field="ranking")
        return None
    placed = [letter for tied in judgement.ranking or [] for letter in tied]
    if len(set(placed)) < len(placed) or not set(placed) <= set(ids):
        raise Invalid("Give each response one place in the ranking.", field="ranking")
    missing = [letter for letter in ids if letter not in placed]
    if missing:
        raise Invalid("Give each response a place: %(letters)s has none yet.", field="ranking", letters=missing[0])
    tiers = [sorted(ids[letter] for letter in tied) for tied in judgement.ranking or [] if tied]
    if not schema.ranking.allows_tie and len(tiers) < len(ids):
        raise Invalid("No two responses may share a place in this project. Put one above the other.", field="ranking")
    return tiers


def _ratings(judgement: Judgement, schema: AnswerSchema, ids: Mapping[str, int]) -> dict[str, dict[int, int]]:
    asked = {criterion.key: criterion for criterion in schema.criteria if isinstance(criterion, Likert)}
    _refuse_unknown(judgement.ratings, asked)
    found: dict[str, dict[int, int]] = {}
    for key, criterion in asked.items():
        given = judgement.ratings.get(key, {})
        if not set(given) <= set(ids):
            raise Invalid(
                "“%(name)s” is rated for a response that is not there.", field=f"rating.{key}", name=criterion.name
            )
        if any(not 1 <= points <= criterion.points for points in given.values()):
            raise Invalid(
                "“%(name)s” is rated from 1 to %(points)s.",
                field=f"rating.{key}",
                name=criterion.name,
                points=criterion.points,
            )
        missing = [letter for letter in ids if letter not in given]
        if missing and (criterion.is_required or given):
            raise Invalid(
                "Rate “%(name)s” for response %(letter)s too.",
                field=f"rating.{key}",
                name=criterion.name,
                letter=missing[0],
            )
        if given:
            found[key] = {response_id: given[letter] for letter, response_id in sorted(ids.items(), key=_by_id)}
    return found


def _comparisons(judgement: Judgement, schema: AnswerSchema, ids: Mapping[str, int]) -> dict[str, int | Literal["tie"]]:
    asked = {criterion.key: criterion for criterion in schema.criteria if isinstance(criterion, Comparison)}
    _refuse_unknown(judgement.comparisons, asked)
    found: dict[str, int | Literal["tie"]] = {}
    for key, criterion in asked.items():
        best = judgement.comparisons.get(key)
        if best is None:
            if criterion.is_required and len(ids) > 1:
                raise Invalid("Please answer “%(name)s”.", field=f"comparison.{key}", name=criterion.name)
            continue
        if (best != "tie" and best not in ids) or len(ids) < 2:
            raise Invalid(
                "“%(name)s” names a response that is not there.", field=f"comparison.{key}", name=criterion.name
            )
        found[key] = "tie" if best == "tie" else ids[best]
    return found


def _refuse_unknown(given: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(asked))
    if unknown:
        raise Invalid("“%(key)s” is no criterion of this project.", field="criteria", key=unknown[0])


def _tags(judgement: Judgement, schema: AnswerSchema, ids: Mapping[str, int]) -> tuple[list[str], dict[int, list[str]]]:
    """Tags in the order of the schema, each once."""
    names, per = schema.tags.names, schema.tags.per
    by_response = judgement.response_tags
    said = {*judgement.tags, *(tag for tags in by_response.values() for tag in tags)}
    unknown = sorted(said - set(names))
    if unknown:
        raise Invalid("“%(tag)s” is no tag of this project.", field="tags", tag=unknown[0])
    if not set(by_response) <= set(ids) or (by_response and per == "task") or (judgement.tags and per == "response"):
        raise Invalid(
            "Tags belong to the task here." if per == "task" else "Tags belong to single responses here.", field="tags"
        )
    responses = {
        response_id: [name for name in names if name in by_response[letter]]
        for letter, response_id in sorted(ids.items(), key=_by_id)
        if by_response.get(letter)
    }
    return [name for name in names if name in judgement.tags], responses


def _edit(
    judgement: Judgement, schema: AnswerSchema, ids: Mapping[str, int], source_text: Callable[[int], str]
) -> StoredEdit | None:
    """A copy that was not changed is no edit."""
    if judgement.edit is not None and schema.edit == Asked.OFF:
        raise Invalid("This project asks for no edits.", field="edit")
    if judgement.edit is None:
        if schema.edit == Asked.REQUIRED:
            raise Invalid("Please write a better response; this project asks for one.", field="edit")
        return None
    source = ids.get(judgement.edit.source)
    if source is None:
        raise Invalid("Choose the response that your edit improves on.", field="edit")
    if not judgement.edit.text:
        raise Invalid("Please write a better response; this project asks for one.", field="edit")
    if " ".join(judgement.edit.text.split()) == " ".join(source_text(source).split()):
        if schema.edit == Asked.REQUIRED:
            raise Invalid("Your edit says the same as the response it is a copy of. Change it.", field="edit")
        return None
    return StoredEdit(source=source, text=judgement.edit.text)


def _by_id(item: tuple[str, int]) -> int:
    return item[1]


def derive(given: Given, schema: AnswerSchema, *, response_ids: Sequence[int]) -> list[Derived]:
    """The preferences that follow; `response_ids` in stored order. That of an edit needs its id, and is no part."""
    found: list[Derived] = []
    if given.choice is not None and schema.pairwise is not None:
        first, second = response_ids
        chosen = to_preferences(given.choice, given.strength, first, second)
        found.append(Derived(chosen, OVERALL, schema.pairwise.strength_steps))
    if given.answer.ranking is not None:
        found += [Derived(pair, OVERALL, 1) for pair in ranking_pairs(given.answer.ranking)]
    for criterion in schema.criteria:
        if isinstance(criterion, Likert):
            pairs = rating_pairs(given.answer.ratings.get(criterion.key, {}))
            found += [Derived(pair, criterion.key, criterion.points - 1) for pair in pairs]
        elif criterion.key in given.answer.comparisons:
            best = given.answer.comparisons[criterion.key]
            named = best_pairs(None if best == "tie" else best, response_ids)
            found += [Derived(pair, criterion.key, 1) for pair in named]
    return found


def said(
    answer: dict[str, Any], *, choice: str | None, strength: int, shown: Sequence[int], is_swapped: bool
) -> dict[str, Any]:
    """A stored judgement in the letters of the screen: the fields of app.annotation.schemas.Said."""
    stored = StoredAnswer.model_validate(answer)
    letters = dict(zip(shown, LETTERS, strict=False))
    return {
        "answer": None if choice is None else as_shown(choice, strength, is_swapped=is_swapped),
        "ranking": None
        if stored.ranking is None
        else [sorted(letters[response_id] for response_id in tied) for tied in stored.ranking],
        "ratings": {
            key: {letters[response_id]: points for response_id, points in sorted(points_of.items(), key=_shown(shown))}
            for key, points_of in stored.ratings.items()
        },
        "comparisons": {key: "tie" if best == "tie" else letters[best] for key, best in stored.comparisons.items()},
        "tags": stored.tags,
        "response_tags": {letters[response_id]: tags for response_id, tags in stored.response_tags.items()},
        "edit": None if stored.edit is None else {"source": letters[stored.edit.source], "text": stored.edit.text},
        "demonstration": stored.demonstration,
    }


def _shown(shown: Sequence[int]) -> Callable[[tuple[int, int]], int]:
    return lambda item: shown.index(item[0])
