"""JSON routes of one's own things: account, sign-ins, tokens, inbox, consent, and taking up an invitation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app.accounts import people_queries, queries
from app.accounts.access import BrowserViewer, CurrentViewer, PathId, SignedInViewer, Viewer
from app.accounts.doors import begin_session, throttled, with_session
from app.accounts.schemas import (
    AcceptInvitation,
    ApiTokenList,
    ApiTokenOut,
    ChangePassword,
    ConsentState,
    ConsentText,
    CreatedApiToken,
    GiveConsent,
    InvitationView,
    JoinedProject,
    Me,
    MessageOut,
    MessagePage,
    NewApiToken,
    ProfileForm,
    ProjectRole,
    ReadingForm,
    SignInList,
    SignInOut,
)
from app.accounts.service import account, consent, inbox, invitations
from app.models import ApiToken, ConsentVersion, Message
from app.web.request import DbSession

router = APIRouter(tags=["account"])
PAGE = 50
Cursor = Annotated[int | None, Query(gt=0, lt=2**63)]


@router.get("/me")
def read_me(session: DbSession, viewer: SignedInViewer) -> Me:
    """Who the request speaks for, and their roles."""
    return _me(session, viewer, viewer.name, viewer.locale, viewer.theme, _reading(viewer))


def _reading(viewer: Viewer) -> ReadingForm:
    return ReadingForm.model_validate(viewer, from_attributes=True)


def _me(session: Session, viewer: Viewer, name: str, locale: str, theme: str, reading: ReadingForm) -> Me:
    projects = people_queries.memberships_of(session, [viewer.id])[viewer.id]
    return Me(
        id=viewer.id,
        name=name,
        email=viewer.email,
        pseudonym=viewer.pseudonym,
        is_instance_admin=viewer.is_instance_admin,
        locale=locale,
        theme=theme,
        reading=reading,
        has_consented=viewer.has_consented,
        unread_count=viewer.unread_count,
        projects=[ProjectRole(project_id=id_, project_name=project, role=role) for id_, project, role in projects],
    )


@router.put("/account")
def change_profile(session: DbSession, viewer: CurrentViewer, wanted: ProfileForm) -> Me:
    account.change_profile(session, user_id=viewer.id, **wanted.model_dump())
    return _me(session, viewer, wanted.name, wanted.locale, wanted.theme, _reading(viewer))


@router.put("/account/reading")
def change_reading(session: DbSession, viewer: CurrentViewer, wanted: ReadingForm) -> Me:
    account.change_reading(session, user_id=viewer.id, **wanted.model_dump())
    return _me(session, viewer, viewer.name, viewer.locale, viewer.theme, wanted)


@router.post("/account/password", status_code=204, dependencies=[Depends(throttled("password", 30))])
def change_password(request: Request, session: DbSession, viewer: BrowserViewer, wanted: ChangePassword) -> Response:
    """Every sign-in ends; the answer carries the cookie of a new one."""
    account.change_password(session, user_id=viewer.id, **wanted.model_dump())
    return with_session(Response(status_code=204), begin_session(request, session, viewer.id))


@router.get("/account/sessions")
def list_sessions(session: DbSession, viewer: CurrentViewer) -> SignInList:
    return SignInList(
        items=[
            SignInOut(
                id=row.id,
                created_at=row.created_at,
                last_seen_at=row.last_seen_at,
                expires_at=row.expires_at,
                address=str(row.address) if row.address is not None else None,
                user_agent=row.user_agent,
                is_current=row.id == viewer.sign_in_id,
            )
            for row in queries.open_sessions(session, viewer.id)
        ]
    )


@router.delete("/account/sessions/{sign_in_id}", status_code=204)
def end_session(session: DbSession, viewer: CurrentViewer, sign_in_id: PathId) -> None:
    account.end_session(session, user_id=viewer.id, sign_in_id=sign_in_id)


@router.delete("/account/sessions", status_code=204)
def end_other_sessions(session: DbSession, viewer: CurrentViewer) -> None:
    """End every sign-in but the one that asks; asked with a token, every one."""
    account.end_other_sessions(session, user_id=viewer.id, but=viewer.sign_in_id)


@router.get("/account/tokens")
def list_tokens(session: DbSession, viewer: CurrentViewer) -> ApiTokenList:
    return ApiTokenList(items=[_token(row) for row in queries.open_tokens(session, viewer.id)])


@router.post("/account/tokens", status_code=201)
def create_token(session: DbSession, viewer: BrowserViewer, wanted: NewApiToken) -> CreatedApiToken:
    """The only answer that holds the token itself."""
    row, secret = account.create_token(session, user_id=viewer.id, name=wanted.name)
    return CreatedApiToken(**_token(row).model_dump(), token=secret)


@router.delete("/account/tokens/{token_id}", status_code=204)
def revoke_token(session: DbSession, viewer: CurrentViewer, token_id: PathId) -> None:
    account.revoke_token(session, user_id=viewer.id, token_id=token_id)


def _token(row: ApiToken) -> ApiTokenOut:
    return ApiTokenOut(
        id=row.id, name=row.name, prefix=row.prefix, created_at=row.created_at, last_used_at=row.last_used_at
    )


@router.get("/inbox")
def list_messages(
    session: DbSession, viewer: CurrentViewer, cursor: Cursor = None, is_read: bool = False
) -> MessagePage:
    """Unread messages, or with `is_read=true` the read ones, newest first."""
    found = people_queries.messages(session, viewer.id, is_read=is_read, before=cursor, limit=PAGE + 1)
    return MessagePage(
        items=[_message(message, sender) for message, sender in found[:PAGE]],
        next_cursor=str(found[PAGE - 1][0].id) if len(found) > PAGE else None,
        unread_count=viewer.unread_count,
    )


@router.post("/inbox/{message_id}/read")
def read_message(session: DbSession, viewer: CurrentViewer, message_id: PathId) -> MessageOut:
    message, sender = inbox.open_message(session, user_id=viewer.id, message_id=message_id)
    return _message(message, sender)


@router.post("/inbox/read", status_code=204)
def mark_all_read(session: DbSession, viewer: CurrentViewer) -> None:
    inbox.mark_all_read(session, user_id=viewer.id)


def _message(message: Message, sender: str | None) -> MessageOut:
    return MessageOut(
        id=message.id,
        subject=message.subject,
        body=message.body,
        sender=sender,
        created_at=message.created_at,
        read_at=message.read_at,
    )


@router.get("/consent")
def read_consent(session: DbSession, viewer: SignedInViewer) -> ConsentState:
    newest = queries.newest_consent(session)
    return ConsentState(newest=consent_text(newest) if newest else None, has_consented=viewer.has_consented)


@router.post("/consent", status_code=204)
def give_consent(session: DbSession, viewer: SignedInViewer, given: GiveConsent) -> None:
    """Accept the version that was read; 409 when a newer one has been published meanwhile."""
    consent.accept_newest(session, user_id=viewer.id, number=given.version, has_consented=given.has_consented)


def consent_text(version: ConsentVersion) -> ConsentText:
    return ConsentText(version=version.number, body=version.body, created_at=version.created_at)


@router.get("/invitations/{token}")
def read_invitation(session: DbSession, token: str) -> InvitationView:
    """What the holder of the link may know; nobody needs to be signed in for it."""
    link = invitations.find(session, token)
    assert link.role is not None
    newest = queries.newest_consent(session)
    return InvitationView(
        project_name=queries.project_name(session, link.project_id or 0),
        inviter_name=queries.user_name(session, link.created_by_id or 0),
        role=link.role,
        expires_at=link.expires_at,
        consent=consent_text(newest) if newest else None,
    )


@router.post("/invitations/{token}/accept", dependencies=[Depends(throttled("invitation", 200))])
def accept_invitation(
    session: DbSession, viewer: SignedInViewer, token: str, wanted: AcceptInvitation
) -> JoinedProject:
    """A signed-in person joins, accepting the newest consent text with it where it is still waiting."""
    consents = None if viewer.has_consented else wanted.has_consented
    link = invitations.accept(session, token=token, user_id=viewer.id, consents=consents)
    role = queries.membership_role(session, viewer.id, link.project_id or 0)
    assert role is not None
    return JoinedProject(project_id=link.project_id or 0, role=role)
