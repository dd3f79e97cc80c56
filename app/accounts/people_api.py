"""JSON routes of everybody on this installation, for its admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from app.accounts import people_queries
from app.accounts.access import InstanceAdmin, PathId
from app.accounts.api import Cursor, consent_text
from app.accounts.people_queries import Person
from app.accounts.schemas import (
    ConsentText,
    NewMessage,
    PersonOut,
    PersonPage,
    ProjectRole,
    PublishConsent,
    ResetLinkOut,
)
from app.accounts.service import consent, inbox, people, resets
from app.errors import NotFound
from app.web.request import DbSession

router = APIRouter(tags=["people"])
PAGE = 50


@router.get("/people")
def list_people(
    session: DbSession,
    viewer: InstanceAdmin,  # noqa: ARG001 - the refusal is the use
    cursor: Cursor = None,
    q: Annotated[str, Query(max_length=100, pattern="^[^\x00]*$")] = "",
    is_active: bool | None = None,
) -> PersonPage:
    """People, newest first; `q` is looked for in name, e-mail address and pseudonym."""
    found = people_queries.people(session, search=q.strip(), is_active=is_active, before=cursor, limit=PAGE + 1)
    return PersonPage(
        items=[_person(row) for row in found[:PAGE]],
        next_cursor=str(found[PAGE - 1].user.id) if len(found) > PAGE else None,
    )


@router.get("/people/{user_id}")
def read_person(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> PersonOut:  # noqa: ARG001 - as above
    return _found(session, user_id)


@router.post("/people/{user_id}/deactivate")
def deactivate(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> PersonOut:
    """Sign-ins, tokens and links end at once, open tasks go back; 409 for the last admin."""
    people.deactivate(session, user_id=user_id, actor_id=viewer.id)
    return _found(session, user_id)


@router.post("/people/{user_id}/reactivate")
def reactivate(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> PersonOut:
    people.reactivate(session, user_id=user_id, actor_id=viewer.id)
    return _found(session, user_id)


@router.post("/people/{user_id}/grant-admin")
def grant_admin(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> PersonOut:
    people.grant_instance_admin(session, user_id=user_id, actor_id=viewer.id)
    return _found(session, user_id)


@router.post("/people/{user_id}/withdraw-admin")
def withdraw_admin(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> PersonOut:
    people.withdraw_instance_admin(session, user_id=user_id, actor_id=viewer.id)
    return _found(session, user_id)


@router.post("/people/{user_id}/reset-link", status_code=201)
def create_reset_link(session: DbSession, viewer: InstanceAdmin, user_id: PathId) -> ResetLinkOut:
    """A password-reset link to hand on; this answer is the only place where it stands."""
    user = people.require_person(session, user_id)
    link, url = resets.create_link(session, user=user, actor_id=viewer.id)
    return ResetLinkOut(url=url, expires_at=link.expires_at, is_mailed=inbox.has_mail())


@router.post("/people/{user_id}/messages", status_code=204)
def write_message(session: DbSession, viewer: InstanceAdmin, user_id: PathId, wanted: NewMessage) -> None:
    people.require_person(session, user_id)
    inbox.write_to(session, user_id=user_id, actor_id=viewer.id, project_id=None, **wanted.model_dump())


@router.post("/consent/versions", status_code=201)
def publish_consent(session: DbSession, viewer: InstanceAdmin, wanted: PublishConsent) -> ConsentText:
    """A new consent text, which everybody is asked to accept on their next request."""
    version = consent.publish(session, body=wanted.body, actor_id=viewer.id)
    session.refresh(version)
    return consent_text(version)


def _found(session: Session, user_id: int) -> PersonOut:
    session.flush()
    person = people_queries.person(session, user_id)
    if person is None:
        raise NotFound
    return _person(person)


def _person(row: Person) -> PersonOut:
    user = row.user
    return PersonOut(
        id=user.id,
        name=user.name,
        email=user.email,
        pseudonym=row.pseudonym,
        is_instance_admin=user.is_instance_admin,
        is_active=user.is_active,
        last_seen_at=row.last_seen_at,
        created_at=user.created_at,
        projects=[ProjectRole(project_id=id_, project_name=name, role=role) for id_, name, role in row.projects],
    )
