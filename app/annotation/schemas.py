"""What the desk sends and gets, shared by its forms and the JSON API."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.projects.definitions import SKIP_REASONS

MAX_RATIONALE = 10_000
MAX_NOTE = 2_000
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


class Judgement(BaseModel):
    """One answer about the two responses as they stood on the screen."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: Answer = Field(
        description="-S (left much better) over 0 (a tie) to S (right much better), or both_bad; S is strength_steps."
    )
    rationale: Rationale = Field("", description="Reasons, in the annotator's words.")
    is_flagged: bool = Field(False, description="Ask a reviewer to look at this task.")
    active_ms: Milliseconds = Field(None, description="Milliseconds at work on it, as the page measured.")
    idle_ms: Milliseconds = Field(None, description="Milliseconds the page was open but away from.")

    def fingerprint(self, public_id: UUID) -> str:
        """SHA-256 over what was judged, not over the request: a retry has another token and other times."""
        judged = {
            "assignment": str(public_id),
            "answer": self.answer,
            "rationale": self.rationale,
            "is_flagged": self.is_flagged,
        }
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

    answer: Annotated[Answer, BeforeValidator(_from_scale)] = Field(validation_alias="choice")
    idempotency_key: Key = ""
    guideline_number: str = Field("", description="The guidelines that stand beside the task, as the page got them.")


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


class TaskOut(BaseModel):
    """What an annotator may know of a task: never its id, its models, nor why it was asked."""

    public_id: UUID
    prompt: str | None = Field(description="The prompt's text; null for a conversation.")
    messages: list[Message] = Field(description="The conversation, oldest first; empty for a plain prompt.")
    left: str
    right: str
    question: str
    strength_steps: int
    allows_tie: bool
    allows_both_bad: bool
    asks_rationale: bool
    requires_rationale: bool
    content_warning: str | None
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


class AnnotationOut(BaseModel):
    """A judgement that was taken. Sent twice, it has the same id."""

    id: int
    public_id: UUID
    revision: int
    answer: Answer
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
