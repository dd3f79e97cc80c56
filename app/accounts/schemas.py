"""What people send about themselves and others, shared by forms and JSON, and what the API answers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from app.domain.assignment import main_language
from app.models import AnnotatorKind, Role
from app.web.forms import storable
from app.web.i18n import available_locales

_EMAIL = re.compile(r"[^@\s\"<>(),;:\\]{1,64}@[^@\s\"<>(),;:\\]+")


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        raise ValueError("Please give an e-mail address, for instance name@example.org.")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Please use one line of letters, digits and signs.")
    return text


def _locale(text: str) -> str:
    if text not in available_locales():
        raise ValueError("Please choose one of the list.")
    return text


Stripped = StringConstraints(strip_whitespace=True, min_length=1)
Email = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254), AfterValidator(_email)]
Name = Annotated[str, Stripped, StringConstraints(max_length=100), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
NewPassword = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(storable)]
"""Bounded here; what else may not be a password, passwords.password_problem says in its own words."""


Tick = Annotated[bool, BeforeValidator(lambda value: value in (True, "true", "on", "1"))]
"""A ticked box; whatever else was sent is no agreement."""


class SignInForm(BaseModel):
    # As loose as can be: a wrong address is refused like a wrong password.
    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class NewPerson(BaseModel):
    """Somebody who gives a name and chooses a password, and has read the consent text."""

    name: Name
    email: Email
    password: NewPassword
    has_consented: Tick = False


class AcceptInvitation(BaseModel):
    """A signed-in person takes an invitation up; consent only where the newest text is still waiting."""

    has_consented: Tick = False


class GiveConsent(BaseModel):
    version: int
    has_consented: Tick = False


class PublishConsent(BaseModel):
    body: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=100, max_length=20_000), AfterValidator(storable)
    ]


class AskForReset(BaseModel):
    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class ChooseNewPassword(BaseModel):
    password: NewPassword


class ChangePassword(BaseModel):
    current_password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    password: NewPassword


class ProfileForm(BaseModel):
    name: Name
    locale: Annotated[str, AfterValidator(_locale)]
    theme: Literal["auto", "light", "dark"]


class ThemeForm(BaseModel):
    theme: Literal["auto", "light", "dark"]


class ReadingForm(BaseModel):
    """How a person likes to read: size of texts, width of a column, movement, and whether warned texts are covered."""

    text_size: Literal["s", "m", "l", "xl"] = "m"
    reading_width: Literal["s", "m", "l"] = "m"
    motion: Literal["auto", "reduced"] = "auto"
    covers_warned: Tick = False


class NewApiToken(BaseModel):
    name: Name


class NewInvitation(BaseModel):
    role: Role
    email: Annotated[Email | Literal[""], Field(default="")] = ""
    note: Line = ""


class ChangeRole(BaseModel):
    role: Role


MAX_NAMES = 100


def _names(value: object) -> object:
    """Names as a form sends them, in one field separated by commas; in lower case, each once."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return value
    return list(dict.fromkeys(name.strip().lower() for name in names if name.strip()))


def _languages(names: list[str]) -> list[str]:
    return list(dict.fromkeys(main_language(name) for name in names))


Names = Annotated[
    list[Annotated[str, StringConstraints(max_length=64), AfterValidator(_one_line)]],
    BeforeValidator(_names),
    Field(max_length=MAX_NAMES),
]
Quota = Annotated[
    Annotated[int, Field(ge=0, le=10_000_000)] | None,
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]


class MemberWork(BaseModel):
    """What work reaches a member; no languages or domains means any, and no quota the project's."""

    languages: Annotated[Names, AfterValidator(_languages)] = Field(
        default_factory=list, description="Codes of the languages that the person reads; pt stands for pt-BR, too."
    )
    domains: Names = Field(default_factory=list, description="Domains of the tasks that the person is given.")
    skills: Names = Field(default_factory=list, description="law makes tasks with the tag skill:law reach the person.")
    groups: Names = Field(default_factory=list, description="experts makes tasks with the tag group:experts do so.")
    daily_quota: Quota = Field(None, description="Judgements a day in place of the project's quota.")
    total_quota: Quota = Field(None, description="Judgements in all in place of the project's quota.")


class NewMessage(BaseModel):
    subject: Annotated[str, Stripped, StringConstraints(max_length=150), AfterValidator(_one_line)]
    body: Annotated[str, Stripped, StringConstraints(max_length=10_000), AfterValidator(storable)]


class ProjectRole(BaseModel):
    project_id: int
    project_name: str
    role: Role


class Me(BaseModel):
    """Who the request speaks for."""

    id: int
    name: str
    email: str
    pseudonym: str
    is_instance_admin: bool
    locale: str
    theme: str
    reading: ReadingForm
    has_consented: bool
    unread_count: int
    projects: list[ProjectRole]


class SignInOut(BaseModel):
    id: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str
    is_current: bool


class SignInList(BaseModel):
    items: list[SignInOut]


class ApiTokenOut(BaseModel):
    id: int
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


class ApiTokenList(BaseModel):
    items: list[ApiTokenOut]


class CreatedApiToken(ApiTokenOut):
    """The only answer that carries the token itself."""

    token: str


class InvitationOut(BaseModel):
    id: int
    role: Role
    email: str
    note: str
    created_by: str
    created_at: datetime
    expires_at: datetime


class InvitationList(BaseModel):
    items: list[InvitationOut]


class CreatedInvitation(BaseModel):
    """`url` is shown this once, and is None when the invitation leaves by mail."""

    id: int
    role: Role
    expires_at: datetime
    url: str | None
    is_mailed: bool


class InvitationView(BaseModel):
    """What the holder of an invitation link may know."""

    project_name: str
    inviter_name: str
    role: Role
    expires_at: datetime
    consent: ConsentText | None


class ConsentText(BaseModel):
    version: int
    body: str
    created_at: datetime


class ConsentState(BaseModel):
    newest: ConsentText | None
    has_consented: bool


class ResetLinkOut(BaseModel):
    url: str
    expires_at: datetime
    is_mailed: bool


class PersonOut(BaseModel):
    id: int
    name: str
    email: str
    pseudonym: str
    is_instance_admin: bool
    is_active: bool
    last_seen_at: datetime | None
    created_at: datetime
    projects: list[ProjectRole]


class PersonPage(BaseModel):
    items: list[PersonOut]
    next_cursor: str | None


class MemberOut(BaseModel):
    user_id: int
    name: str
    pseudonym: str
    role: Role
    is_active: bool
    member_since: datetime
    last_seen_at: datetime | None
    work: MemberWork


class MemberPage(BaseModel):
    """`other_annotators` counts the imported, simulated and model ones by kind."""

    items: list[MemberOut]
    next_cursor: str | None
    other_annotators: dict[AnnotatorKind, int]


class MessageOut(BaseModel):
    id: int
    subject: str
    body: str
    sender: str | None
    created_at: datetime
    read_at: datetime | None


class MessagePage(BaseModel):
    items: list[MessageOut]
    next_cursor: str | None
    unread_count: int


class JoinedProject(BaseModel):
    project_id: int
    role: Role


InvitationView.model_rebuild()
