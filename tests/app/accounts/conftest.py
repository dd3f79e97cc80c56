"""What the tests of people share: a password that fits, links, and an installation that has been set up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app.accounts import passwords
from app.accounts.service import consent, invitations
from app.models import AuditEvent, Role
from app.web import throttle

PASSWORD = "seven quiet herons wade"


def path_of(url: str) -> str:
    """The path of a link, as the tests' client opens it."""
    return url.removeprefix("http://127.0.0.1:8000")


@pytest.fixture(autouse=True)
def still_window(monkeypatch):
    """The throttle's clock stands still, so that no test straddles the end of a window."""
    moment = datetime.now(UTC)

    class Still(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment

    monkeypatch.setattr(throttle, "datetime", Still)


@pytest.fixture
def person(make):
    """person(...) -> a user who can sign in with PASSWORD."""

    def making(**values):
        return make.user(password_hash=passwords.hash_password(PASSWORD), **values)

    return making


@pytest.fixture
def invitation(db, make):
    """invitation(project, role) -> the path of an open invitation made by an instance admin."""

    def making(project, role=Role.ANNOTATOR, actor=None):
        actor = actor or make.admin()
        _link, url = invitations.invite(db, project_id=project.id, role=role, email="", note="", actor_id=actor.id)
        db.commit()
        return path_of(url)

    return making


@pytest.fixture
def consent_text(db, make):
    """consent_text() -> the first version, published."""

    def publishing():
        version = consent.ensure_first_version(db, actor_id=make.admin().id)
        db.commit()
        return version

    return publishing


@pytest.fixture
def deeds(db):
    """deeds() -> the actions in the audit trail, in order."""

    def reading():
        return list(db.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)))

    return reading
