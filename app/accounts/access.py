"""Who is asking, and what they may do: a token or cookie becomes a viewer, one condition a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path, Request
from sqlalchemy.orm import Session

from app.accounts import queries
from app.accounts.roles import ROLE_RANK, has_role
from app.accounts.tokens import hash_token
from app.errors import AppError, Forbidden, SignInRequired
from app.models import ApiToken, Role, SignInSession, User
from app.web import i18n
from app.web.request import DbSession
from app.web.security import session_cookie_name

__all__ = ["ROLE_RANK", "has_role"]
LAST_SEEN_EVERY = timedelta(minutes=5)
PathId = Annotated[int, Path(gt=0, lt=2**63)]
"""An id in an address; one that no row can have is not found."""


class ConsentRequired(AppError):
    """The person has not agreed to the newest consent text; pages lead there and back."""

    status = 403
    code = "consent_required"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person behind a request. `sign_in_id` is None when an API token speaks for them."""

    id: int
    name: str
    email: str
    pseudonym: str
    annotator_id: int
    is_instance_admin: bool
    locale: str
    theme: str
    text_size: str
    reading_width: str
    motion: str
    covers_warned: bool
    sign_in_id: int | None
    has_consented: bool
    unread_count: int


def find_viewer(request: Request, session: DbSession) -> Viewer | None:
    """The signed-in person, by bearer token or session cookie; None for an anonymous request."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith("bearer "):
        viewer = _by_api_token(session, authorization[7:].strip())
        if viewer is None:
            raise SignInRequired("This API token is not valid. It may have been revoked.")
    else:
        viewer = _by_cookie(session, request.cookies.get(session_cookie_name(), ""))
    request.state.viewer = viewer
    if viewer is not None:
        request.state.unread_count = viewer.unread_count
        i18n.set_locale(viewer.locale)
    return viewer


def _by_cookie(session: Session, token: str) -> Viewer | None:
    if not token:
        return None
    row = queries.viewer_by_session(session, hash_token(token))
    if row is None:
        return None
    sign_in, user, *rest = row
    now = datetime.now(UTC)
    if now - sign_in.last_seen_at > LAST_SEEN_EVERY:
        queries.touch_session(session, sign_in.id, now)
    return _viewer(user, sign_in, *rest)


def _by_api_token(session: Session, token: str) -> Viewer | None:
    row = queries.viewer_by_api_token(session, hash_token(token))
    if row is None:
        return None
    api_token, user, *rest = row
    now = datetime.now(UTC)
    if api_token.last_used_at is None or now - api_token.last_used_at > LAST_SEEN_EVERY:
        queries.touch_api_token(session, api_token.id, now)
    return _viewer(user, api_token, *rest)


def _viewer(
    user: User,
    proof: SignInSession | ApiToken,
    annotator_id: int,
    pseudonym: str,
    has_consented: bool,
    unread_count: int,
) -> Viewer:
    return Viewer(
        id=user.id,
        name=user.name,
        email=user.email,
        pseudonym=pseudonym,
        annotator_id=annotator_id,
        is_instance_admin=user.is_instance_admin,
        locale=user.locale,
        theme=user.theme,
        text_size=user.text_size,
        reading_width=user.reading_width,
        motion=user.motion,
        covers_warned=user.covers_warned,
        sign_in_id=proof.id if isinstance(proof, SignInSession) else None,
        has_consented=has_consented,
        unread_count=unread_count,
    )


OptionalViewer = Annotated[Viewer | None, Depends(find_viewer)]


async def require_signed_in(viewer: OptionalViewer) -> Viewer:
    """Somebody is signed in; the consent text itself may still be waiting.

    Like the next ones it only looks at the viewer, and is async so that no thread is woken for it.
    """
    if viewer is None:
        raise SignInRequired
    return viewer


SignedInViewer = Annotated[Viewer, Depends(require_signed_in)]


async def require_viewer(viewer: SignedInViewer) -> Viewer:
    """Signed in and agreed to the newest consent text: what almost every route asks for."""
    if not viewer.has_consented:
        raise ConsentRequired("Please read and accept the consent text first.")
    return viewer


CurrentViewer = Annotated[Viewer, Depends(require_viewer)]


async def require_browser(viewer: CurrentViewer) -> Viewer:
    """A person at a browser: a stolen token must not be able to make more tokens or change the password."""
    if viewer.sign_in_id is None:
        raise Forbidden("An API token may not do this. Sign in with a browser.")
    return viewer


BrowserViewer = Annotated[Viewer, Depends(require_browser)]


async def require_instance_admin(viewer: CurrentViewer) -> Viewer:
    if not viewer.is_instance_admin:
        raise Forbidden("Only an administrator of this installation may do this.")
    return viewer


InstanceAdmin = Annotated[Viewer, Depends(require_instance_admin)]


def role_in_project(session: Session, viewer: Viewer, project_id: int) -> Role | None:
    """The viewer's role there; instance admins are admins everywhere."""
    if viewer.is_instance_admin:
        return Role.ADMIN
    return queries.membership_role(session, viewer.id, project_id)
