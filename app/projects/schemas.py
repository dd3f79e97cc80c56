"""What forms and the JSON API may send about projects, and what the API answers."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Self
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from app.models import ProjectStatus, Role
from app.projects.definitions import AnswerSchema, Policy, ProjectKind
from app.projects.schema_form import OverallForm
from app.web.forms import storable
from app.web.i18n import N_

GUIDELINE_CHARACTERS = 200_000


@lru_cache
def timezones() -> list[str]:
    """IANA names, UTC first."""
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))]


def _known_timezone(name: str) -> str:
    if name not in timezones():
        raise ValueError("This time zone is not known. Choose one of the list, for instance Europe/Berlin.")
    return name


def _known_language(code: str) -> str:
    try:
        return str(Locale.parse(code.replace("-", "_"))).replace("_", "-")
    except (UnknownLocaleError, ValueError):
        raise ValueError("This language is not known. Give its code, for instance en, de or pt-BR.") from None


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(storable)]
Question = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(storable)
]
Language = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=2, max_length=20), AfterValidator(_known_language)
]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
GuidelineText = Annotated[str, StringConstraints(max_length=GUIDELINE_CHARACTERS), AfterValidator(storable)]
ContentWarning = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(storable)]
ChangeNote = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(storable)]


class ProjectDetails(BaseModel):
    """What a project is called and asks."""

    name: Name = Field(description="What people call the project.")
    question: Question = Field("Which response is better?", description="Asked above every pair of responses.")
    language: Language = Field("en", description="Language of the prompts, as a code.")
    timezone: Timezone = Field("UTC", description="IANA zone that says when a day begins for counts and quotas.")
    content_warning: ContentWarning = Field(
        "", description="What annotators are warned of before the texts of any task are shown; empty: nothing."
    )


class NewProject(ProjectDetails):
    """A project as the API creates it; guidelines given here are published as version 1."""

    policy: Policy = Field(Policy.usual(), description="How work is handed out and counted.")
    answer_schema: AnswerSchema = Field(AnswerSchema(), description="What may be answered.")
    guidelines: GuidelineText = Field("", description="Markdown; published as version 1 when not empty.")


def _or_none(value: object) -> object:
    """A field that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


Votes = Annotated[Annotated[int, Field(ge=1, le=50)] | None, BeforeValidator(_or_none)]
Quota = Annotated[Annotated[int, Field(ge=1, le=10_000_000)] | None, BeforeValidator(_or_none)]


class OverlapForm(BaseModel):
    """How many people judge a task; left empty, the kind of project decides."""

    kind: ProjectKind = ProjectKind.MIXED
    overlap: Votes = None
    max_overlap: Votes = None

    @field_validator("max_overlap")
    @classmethod
    def _most_is_more(cls, most: int | None, info: ValidationInfo) -> int | None:
        overlap = info.data.get("overlap")
        if most is not None and overlap is not None and most < overlap:
            raise ValueError(N_("This cannot be smaller than the overlap. Leave it empty to keep the overlap fixed."))
        return most

    def overlaps(self) -> dict[str, object]:
        """The kind's own numbers, or those that were given; an overlap without a most is fixed."""
        usual = Policy.usual(self.kind)
        if self.overlap is not None:
            return {"kind": self.kind, "overlap": self.overlap, "max_overlap": self.max_overlap}
        most = self.max_overlap if self.max_overlap is not None else usual.max_overlap
        return {"kind": self.kind, "overlap": min(usual.overlap, most or usual.overlap), "max_overlap": most}


class WorkForm(OverlapForm):
    """A policy as a form sends it, rates in per cent."""

    lease_minutes: int = Field(30, ge=1, le=1440)
    gold_percent: float = Field(4, ge=0, le=50, allow_inf_nan=False)
    repeat_percent: float = Field(10, ge=0, le=50, allow_inf_nan=False)
    prefetch: int = Field(0, ge=0, le=4)
    daily_quota: Quota = None
    total_quota: Quota = None
    edit_hours: int = Field(24, ge=0, le=720)

    def policy(self) -> Policy:
        return Policy.model_validate(
            self.overlaps()
            | {
                "gold_rate": round(self.gold_percent / 100, 4),
                "repeat_rate": round(self.repeat_percent / 100, 4),
                **self.model_dump(include={"lease_minutes", "prefetch", "daily_quota", "total_quota", "edit_hours"}),
            }
        )

    @classmethod
    def values_of(cls, policy: Policy) -> dict[str, object]:
        rates = {"gold_percent": policy.gold_rate, "repeat_percent": policy.repeat_rate}
        return policy.model_dump(exclude={"gold_rate", "repeat_rate"}) | {
            name: f"{rate * 100:g}" for name, rate in rates.items()
        }


class NewProjectForm(ProjectDetails, OverallForm, OverlapForm):
    """The short form for a new project; the rest starts from the defaults and is changed in the settings."""


class DraftForm(BaseModel):
    """The draft as the editor sends it; `seen_at` is the state of the draft that the person was looking at.

    `overwrite_at` is sent by the button "Keep mine" and names the other state that may be written over.
    """

    body: GuidelineText = ""
    change_note: ChangeNote = ""
    seen_at: str = ""
    overwrite_at: str = ""
    is_major: bool = False

    def seen(self) -> datetime | None:
        """The state that this text may replace; None stands for "there was no draft"."""
        text = self.overwrite_at or self.seen_at
        try:
            return datetime.fromisoformat(text) if text else None
        except ValueError:
            return None


class DraftIn(BaseModel):
    """A draft as the API sends it; `updated_at` is the state it replaces, null when there was none."""

    body: GuidelineText
    updated_at: datetime | None = None


class PublishIn(BaseModel):
    """Publish the draft as it was at `updated_at`."""

    updated_at: datetime
    change_note: ChangeNote = ""
    is_major: bool = Field(False, description="Ask those who judged before to confirm that they read what changed.")


class MarkdownIn(BaseModel):
    body: GuidelineText


class HtmlOut(BaseModel):
    html: str


class ProjectOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    question: str
    status: ProjectStatus
    language: str
    timezone: str
    content_warning: str
    is_sample: bool
    created_at: datetime
    archived_at: datetime | None


class ProjectWithRole(ProjectOut):
    role: Role

    @classmethod
    def of(cls, project: object, role: Role) -> Self:
        return cls.model_validate({**ProjectOut.model_validate(project).model_dump(), "role": role})


class ProjectPage(BaseModel):
    items: list[ProjectWithRole]
    next_cursor: str | None


class PolicyOut(BaseModel):
    """The policy that holds, and the number of its version."""

    version_id: int
    number: int
    policy: Policy


class SchemaOut(BaseModel):
    """The answer schema that holds, and the number of its version."""

    version_id: int
    number: int
    answer_schema: AnswerSchema


class DraftOut(BaseModel):
    """The draft; `body` is that of the published version while no draft exists (`updated_at` null)."""

    body: str
    updated_at: datetime | None
    based_on: int | None


class GuidelineSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    number: int
    change_note: str
    is_major: bool
    content_hash: str
    published_at: datetime


class GuidelineOut(GuidelineSummary):
    body: str
    html: str


class GuidelineList(BaseModel):
    items: list[GuidelineSummary]


class AskForm(BaseModel):
    """A question about a clause, by its anchor; an empty anchor asks about the guidelines as a whole."""

    anchor: Annotated[str, StringConstraints(max_length=200), AfterValidator(storable)] = ""
    text: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(storable)
    ]


class AnswerForm(BaseModel):
    """An answer in Markdown; shared with everybody in the project or not, shown as an example at its clause or not."""

    answer: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), AfterValidator(storable)
    ]
    is_shared: bool = False
    is_example: bool = False


class QuestionOut(BaseModel):
    """`asker` is a pseudonym for reviewers, and null for everybody else but the asker."""

    id: int
    anchor: str
    clause: str
    guideline_version: int
    text: str
    asker: str | None
    is_own: bool
    asked_at: datetime
    answer: str
    answered_at: datetime | None
    is_shared: bool
    is_example: bool


class QuestionPage(BaseModel):
    items: list[QuestionOut]
    next_cursor: str | None


class ReadingOut(BaseModel):
    """`since` is the version that you know and `newest` the one to confirm; null when there is nothing to confirm."""

    since: int | None
    newest: int | None
