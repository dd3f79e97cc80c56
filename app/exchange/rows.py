"""A task as it stands in a file: plain values, checked, before anything knows a database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TIE = "tie"
BOTH_BAD = "both_bad"
ROLES = frozenset({"system", "user", "assistant", "tool"})
RESPONSE_NAMES = tuple(f"response_{letter}" for letter in "abcdefghi")
MAX_RESPONSES = len(RESPONSE_NAMES)

COLUMNS = (
    "task_id", "prompt", "responses", *RESPONSE_NAMES,
    *(f"model_{letter}" for letter in "abcdefghi"),
    "chosen", "rejected", "model_chosen", "model_rejected",
    "domain", "language", "tags", "metadata", "gold", "gold_explanation", "votes",
)  # fmt: skip
"""Every column that an import reads; all others are left out, and named in the preview."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Response:
    text: str
    model: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gold:
    """The right answer: one of the row's response names, `tie` or `both_bad`."""

    choice: str
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """A judgement given elsewhere: a choice of two, or a ranking.

    `pair` are the two responses compared, by index, in the order of the file. `ranking` has places from the best, each
    with the indexes that share it; `choice` is None then.
    """

    annotator: str
    choice: str | None
    pair: tuple[int, int] = (0, 1)
    ranking: tuple[tuple[int, ...], ...] | None = None
    strength: int | None = None
    submitted_at: datetime | None = None
    seconds: float | None = None
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One task. `row` is the number that an editor or spreadsheet shows. Times are in UTC."""

    row: int
    prompt: str | tuple[Message, ...]
    responses: tuple[Response, ...]
    task_id: str | None = None
    domain: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    gold: Gold | None = None
    votes: tuple[Vote, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt as messages; a text is one message of the user."""
        return (Message("user", self.prompt),) if isinstance(self.prompt, str) else self.prompt


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may hold. Lengths of texts are in characters."""

    rows: int = 200_000
    problems: int = 100
    """Reading stops after so many; a person mends the first ones and tries again."""
    prompt_characters: int = 100_000
    """Over all messages of a prompt."""
    response_characters: int = 100_000
    rationale_characters: int = 20_000
    name_characters: int = 200
    """task_id, model, domain, language, tag, annotator."""
    messages: int = 500
    tags: int = 50
    votes: int = 1_000
    metadata_bytes: int = 65_536
    metadata_levels: int = 20
    seconds: int = 1_000_000
    line_bytes: int = 16 * 1024 * 1024
    """One line of JSONL, one row of CSV."""
    unpacked_bytes: int = 2 * 1024**3
    unpacked_ratio: int = 200
    """Unpacked to packed size; looked at once 4 MiB are unpacked."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    chosen_votes: bool = True
    """Whether a row of chosen and rejected carries one vote for chosen."""
    chosen_annotator: str = "imported"
    keep_same: bool = False
    """Whether two responses that say the same are let through (crowd data has such pairs, with votes)."""
    fewest_responses: int = 2
    """0 lets bare prompts through, and 1 single responses, where a project asks for them."""


def row_hash(row: ImportRow) -> str:
    """SHA-256 of what is judged: the prompt's messages, the responses' texts and models, in order.

    Ids, tags, gold and votes stay out, so that the same comparison is found again under any name.
    """
    content = {
        "prompt": [[message.role, message.content] for message in row.messages],
        "responses": [[response.text, response.model] for response in row.responses],
    }
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def row_key(row: ImportRow) -> str:
    """What makes a row the same task on a second import: its task_id where it has one, else its content.

    Real data holds the same two texts under several ids (UKPConvArg1 does), so content alone would merge tasks that
    their owner keeps apart.
    """
    return f"id:{row.task_id}" if row.task_id is not None else f"sha256:{row_hash(row)}"


def to_record(row: ImportRow) -> dict[str, Any]:
    """The row as one object of a JSONL file; reading that gives the row again."""
    record: dict[str, Any] = {
        "task_id": row.task_id,
        "prompt": row.prompt
        if isinstance(row.prompt, str)
        else [{"role": message.role, "content": message.content} for message in row.prompt],
        "responses": [
            without_nothing({"text": response.text, "model": response.model, "metadata": response.metadata})
            for response in row.responses
        ],
        "domain": row.domain,
        "language": row.language,
        "tags": list(row.tags),
        "metadata": row.metadata,
        "gold": row.gold and without_nothing({"choice": row.gold.choice, "explanation": row.gold.explanation}),
        "votes": [_vote_record(vote) for vote in row.votes],
    }
    return without_nothing(record)


def _vote_record(vote: Vote) -> dict[str, Any]:
    return without_nothing(
        {
            "annotator": vote.annotator,
            "choice": vote.choice,
            "pair": None if vote.ranking else [RESPONSE_NAMES[index] for index in vote.pair],
            "ranking": vote.ranking and [[RESPONSE_NAMES[index] for index in tied] for tied in vote.ranking],
            "strength": vote.strength,
            "submitted_at": vote.submitted_at and vote.submitted_at.isoformat(),
            "seconds": vote.seconds,
            "rationale": vote.rationale,
        }
    )


def without_nothing(record: dict[str, Any]) -> dict[str, Any]:
    """The record without what is None or an empty list or object."""
    return {name: value for name, value in record.items() if value is not None and value not in ([], {})}
