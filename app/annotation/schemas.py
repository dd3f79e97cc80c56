"""What the desk sends and gets, shared by its forms and the JSON API."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.projects.definitions import MAX_CRITERIA, MAX_RANKED, MAX_TAGS, SKIP_REASONS, AnswerSchema

LETTERS = "ABCDEFGHI"
"""Names of the responses as they stand on the screen, the first one A."""
MAX_RATIONALE = 10_000
MAX_NOTE = 2_000
MAX_WRITTEN = 50_000
DAY_MS = 24 * 60 * 60 * 1000
# What Postgres refuses in text: NUL, and halves of surrogate pairs that JSON can smuggle in.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _clean(value: Any) -> Any:
    """Line ends as one kind (browsers send two characters), and nothing that the database cannot hold."""
    if not isinstance(value, str):
        return value
    return _UNSTORABLE.sub("\ufffd", value.replace("\r\n", "\n").replace("\r", "\n"))


def _time_or_unknown(value: Any) -> Any:
    """A clock that went wrong must not cost the judgement: what cannot be a time is unknown."""
    try:
        milliseconds = int(value)
    except (TypeError, ValueError):
        return None
    return milliseconds if 0 <= milliseconds <= DAY_MS else None


Answer = Literal["both_bad"] | Annotated[int, Field(ge=-4, le=4)]
Rationale = Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True, max_length=MAX_RATIONALE)]
Milliseconds = Annotated[int | None, BeforeValidator(_time_or_unknown)]
Key = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[\x21-\x7e]*$")]
Letter = Annotated[str, StringConstraints(pattern=rf"^[{LETTERS}]$")]
Criterion = Annotated[str, StringConstraints(max_length=40)]
Tag = Annotated[str, StringConstraints(max_length=120)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]
Written = Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True, max_length=MAX_WRITTEN)]


class Edit(BaseModel):
    """A better response, written from a copy of the response `source`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: Letter
    text: Written


class Said(BaseModel):
    """What a judgement says. Responses are named by letters as they stood on the screen, the first one A."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: Answer | None = Field(
        None,
        description="-S (A much better) over 0 (a tie) to S (B much better), or both_bad; S is strength_steps. "
        "Null where no choice of two is asked for.",
    )
    ranking: list[Annotated[list[Letter], Field(max_length=MAX_RANKED)]] | None = Field(
        None, max_length=MAX_RANKED, description="Places from the best, each with the letters that share it."
    )
    ratings: dict[Criterion, dict[Letter, int]] = Field(
        {}, max_length=MAX_CRITERIA, description="By criterion and letter: points from 1."
    )
    comparisons: dict[Criterion, Letter | Literal["tie"]] = Field(
        {}, max_length=MAX_CRITERIA, description="By criterion: the letter of the response that meets it best, or tie."
    )
    tags: Tags = Field([], description="Of the task, where tags belong to tasks.")
    response_tags: dict[Letter, Tags] = Field({}, description="By letter, where tags belong to responses.")
    edit: Edit | None = Field(None, description="A better response, written from one of these.")
    demonstration: Written | None = Field(None, description="The answer to a prompt without responses.")


class Judgement(Said):
    """One judgement of a task as it stood on the screen."""

    rationale: Rationale = Field("", description="Reasons, in the annotator's words.")
    is_flagged: bool = Field(False, description="Ask a reviewer to look at this task.")
    active_ms: Milliseconds = Field(None, description="Milliseconds at work on it, as the page measured.")
    idle_ms: Milliseconds = Field(None, description="Milliseconds the page was open but away from.")

    def fingerprint(self, public_id: UUID) -> str:
        """SHA-256 over what was judged, not over the request: a retry has another token and other times."""
        judged: dict[str, Any] = {
            "assignment": str(public_id),
            "answer": self.answer,
            "rationale": self.rationale,
            "is_flagged": self.is_flagged,
        }
        # A bare choice of two has the hash that it always had: what is not said is no part of it.
        judged |= self.model_dump(
            mode="json", include=set(Said.model_fields) - {"answer"}, exclude_defaults=True, exclude_none=True
        )
        if self.ranking is not None:
            judged["ranking"] = [sorted(tied) for tied in self.ranking if tied]
        return hashlib.sha256(json.dumps(judged, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _from_scale(value: Any) -> Any:
    """The desk's radio buttons say a3 … a1, tie, b1 … b3: how much better which of the two shown sides is."""
    if value == "tie":
        return 0
    if isinstance(value, str) and re.fullmatch("[ab][1-4]", value):
        return int(value[1]) * (-1 if value[0] == "a" else 1)
    return value


class JudgementForm(Judgement):
    """The desk's form: the same, with the key that makes sending it twice harmless."""

    answer: Annotated[Answer | None, BeforeValidator(_from_scale)] = Field(None, validation_alias="choice")
    idempotency_key: Key = ""
    guideline_number: str = Field("", description="The guidelines that stand beside the task, as the page got them.")

    @model_validator(mode="before")
    @classmethod
    def _from_fields(cls, fields: Any) -> Any:
        return from_fields(fields) if isinstance(fields, dict) else fields


def from_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The desk's flat fields as the nested parts of a judgement: rank.A, rating.KEY.A, comparison.KEY, tag.A.0 or
    tag.task.0, edit_source and edit_text. An empty field says nothing.
    """
    places: dict[int, list[str]] = {}
    ratings: dict[str, dict[str, Any]] = {}
    comparisons: dict[str, Any] = {}
    tags: list[Any] = []
    response_tags: dict[str, list[Any]] = {}
    for name, value in fields.items():
        match name.split(".") if value != "" else []:
            case ["rank", letter]:
                places.setdefault(_place(value), []).append(letter)
            case ["rating", key, letter]:
                ratings.setdefault(key, {})[letter] = value
            case ["comparison", key]:
                comparisons[key] = value
            case ["tag", "task", _number]:
                tags.append(value)
            case ["tag", letter, _number]:
                response_tags.setdefault(letter, []).append(value)
    found = {name: value for name, value in fields.items() if "." not in name}
    found |= {"ratings": ratings, "comparisons": comparisons, "tags": tags, "response_tags": response_tags}
    if places:
        found["ranking"] = [sorted(places[place]) for place in sorted(places)]
    if str(fields.get("edit_text") or "").strip():
        found["edit"] = {"source": fields.get("edit_source"), "text": fields["edit_text"]}
    return found


def _place(value: Any) -> int:
    if not re.fullmatch("[1-9]", str(value)):
        raise ValueError("places go from 1 to 9")
    return int(value)


class Revision(Judgement):
    """An edit of an own judgement; `revision` is the one that was on the screen when it was changed."""

    revision: int = Field(ge=1, le=30_000, description="The revision that this edit replaces.")


class RevisionForm(JudgementForm):
    revision: int = Field(ge=1, le=30_000)


class Skip(BaseModel):
    """Why a task cannot be judged; it is not offered to this person again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: Literal["unclear", "not_my_field", "harmful", "broken", "other"]
    note: Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True, max_length=MAX_NOTE)] = ""


class SkipForm(Skip):
    reason: Literal["unclear", "not_my_field", "harmful", "broken", "other"] = Field(validation_alias="skip_reason")


assert set(Skip.model_fields["reason"].annotation.__args__) == set(SKIP_REASONS)  # type: ignore[union-attr]


class Message(BaseModel):
    role: str
    content: str


class Document(BaseModel):
    """A text beside the responses; the title may be empty."""

    title: str
    text: str


class TaskOut(BaseModel):
    """What an annotator may know of a task: never its id, its models, nor why it was asked."""

    public_id: UUID
    prompt: str | None = Field(description="The prompt's text; null for a conversation.")
    messages: list[Message] = Field(description="The conversation, oldest first; empty for a plain prompt.")
    documents: list[Document] = Field(description="Texts to judge by, as the task brought them.")
    responses: list[str] = Field(
        description="As they stand on the screen: the first one is A. None: the prompt is to be answered."
    )
    question: str
    content_warning: str | None
    schema_number: int = Field(description="The version of the schema that this task is judged by.")
    answer_schema: AnswerSchema = Field(description="What may be answered.")
    guideline_number: int | None
    expires_at: datetime


class ProgressOut(BaseModel):
    today: int
    total: int


class NextOut(BaseModel):
    """The task on one's desk, or why there is none."""

    assignment: TaskOut | None
    reason: str | None = Field(
        description="Why there is none: paused, archived, enough_today, enough, no_tasks, all_done, others_at_work, "
        "nothing_for_you, busy."
    )
    progress: ProgressOut


class AnnotationOut(Said):
    """A judgement that was taken. Sent twice, it has the same id."""

    id: int
    public_id: UUID
    revision: int
    rationale: str
    is_flagged: bool
    is_late: bool = Field(description="It came after its place was taken: kept and credited, not counted.")
    submitted_at: datetime


class LeaseOut(BaseModel):
    public_id: UUID
    state: str
    expires_at: datetime


class HistoryEntry(AnnotationOut):
    prompt_excerpt: str
    can_edit: bool


class HistoryOut(BaseModel):
    items: list[HistoryEntry]
    next_cursor: int | None
