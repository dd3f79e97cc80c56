"""Two people at once, each in a transaction of its own on real Postgres: what must hold, holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from app import database
from app.accounts.service import account, consent, invitations, people, setup, sign_in
from app.errors import AppError
from app.models import ConsentVersion, Membership, Role, SignInSession, User
from tests.app.accounts.conftest import PASSWORD
from tests.support import servers
from tests.support.factories import Factory

AT_ONCE = 8


@pytest.fixture(scope="module")
def own_database(database_url, worker_id):
    """A database of this module's own, since what races commits for good."""
    url = servers.create_database(f"accord_races_{worker_id}_{os.getpid()}")
    engine = sa.create_engine(url, pool_size=AT_ONCE + 2, connect_args={"options": "-c lock_timeout=20s"})
    yield sessionmaker(bind=engine, expire_on_commit=False)
    engine.dispose()
    servers.drop_database(url)


@pytest.fixture
def real(own_database, monkeypatch):
    """A session that commits; the program's units of work are on the same database."""
    monkeypatch.setattr(database, "session_factory", lambda: own_database)
    with own_database() as session:
        session.execute(sa.text('truncate "user", project, consent_version, one_time_link cascade'))
        session.commit()
        yield session


@pytest.fixture
def make(real):
    return Factory(real)


def at_once(*deeds: Callable[[sa.orm.Session], object]) -> list[object]:
    """Run the deeds in threads that start together, each in its unit of work; results, or the errors raised."""
    gate = threading.Barrier(len(deeds))
    outcomes: list[object] = [None] * len(deeds)

    def run(number: int) -> None:
        try:
            gate.wait(timeout=10)
            with database.unit_of_work() as session:
                outcomes[number] = deeds[number](session)
        except Exception as error:  # noqa: BLE001 - the test looks at what it was
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception) and not isinstance(outcome, AppError)]
    return outcomes


def refusals(outcomes):
    return [outcome.status for outcome in outcomes if isinstance(outcome, AppError)]


def count(session, *where):
    return session.scalar(sa.select(sa.func.count()).select_from(User).where(*where))


def test_one_set_up_link_makes_one_admin(real):
    token = setup.setup_link(real).rsplit("/", 1)[1]
    real.commit()
    outcomes = at_once(
        *[
            lambda session, n=n: setup.make_first_admin(
                session, token=token, name=f"Admin {n}", email=f"admin{n}@example.org", password=PASSWORD
            )
            for n in range(AT_ONCE)
        ]
    )
    assert refusals(outcomes) == [410] * (AT_ONCE - 1)
    assert (count(real), count(real, User.is_instance_admin)) == (1, 1)
    assert real.scalars(sa.select(ConsentVersion.number)).all() == [1]


def test_a_link_made_while_another_is_used_makes_no_second_admin(real):
    token = setup.setup_link(real).rsplit("/", 1)[1]
    real.commit()
    outcomes = at_once(
        setup.setup_link,
        lambda session: setup.make_first_admin(
            session, token=token, name="Ada", email="ada@example.org", password=PASSWORD
        ),
    )
    made_a_link = isinstance(outcomes[0], str)
    assert count(real) == (0 if made_a_link else 1)  # whoever came first: the other finds the world changed
    assert refusals(outcomes) == ([410] if made_a_link else [])


def test_one_invitation_lets_one_person_in(real, make):
    project, admin = make.project(), make.admin()
    _link, url = invitations.invite(
        real, project_id=project.id, role=Role.ANNOTATOR, email="", note="", actor_id=admin.id
    )
    real.commit()
    token = url.rsplit("/", 1)[1]
    outcomes = at_once(
        *[
            lambda session, n=n: invitations.accept_as_stranger(
                session,
                token=token,
                name=f"Guest {n}",
                email=f"guest{n}@example.org",
                password=PASSWORD,
                has_consented=True,
            )
            for n in range(AT_ONCE)
        ]
    )
    assert refusals(outcomes) == [410] * (AT_ONCE - 1)
    assert real.scalar(sa.select(sa.func.count()).select_from(Membership)) == 1
    assert count(real, User.name.startswith("Guest")) == 1


def test_one_address_makes_one_person_whatever_its_case(real, make):
    project, admin = make.project(), make.admin()
    tokens = []
    for _ in range(AT_ONCE):
        _link, url = invitations.invite(
            real, project_id=project.id, role=Role.ANNOTATOR, email="", note="", actor_id=admin.id
        )
        tokens.append(url.rsplit("/", 1)[1])
    real.commit()
    outcomes = at_once(
        *[
            lambda session, n=n, token=token: invitations.accept_as_stranger(
                session,
                token=token,
                name="Guest",
                email="guest@example.org" if n % 2 else "GUEST@example.org",
                password=PASSWORD,
                has_consented=True,
            )
            for n, token in enumerate(tokens)
        ]
    )
    assert count(real, User.name == "Guest") == 1
    assert set(refusals(outcomes)) <= {409}  # the loser may try again, and then joins by its password
    assert real.scalar(sa.select(sa.func.count()).select_from(Membership)) == 1


@pytest.mark.parametrize("deed", [people.deactivate, people.withdraw_instance_admin])
def test_admins_who_remove_each_other_leave_one(real, make, deed):
    admins = [make.admin() for _ in range(4)]
    outcomes = at_once(
        *[
            lambda session, admin=admin, following=following: deed(session, user_id=following.id, actor_id=admin.id)
            for admin, following in zip(admins, [*admins[1:], admins[0]], strict=True)
        ]
    )
    assert refusals(outcomes) == [409]
    assert count(real, User.is_instance_admin, User.is_active) == 1


def test_a_project_keeps_an_admin_when_all_leave_at_once(real, make):
    project = make.project()
    admins = [make.member(project, Role.ADMIN) for _ in range(4)]
    outcomes = at_once(
        *[
            lambda session, admin=admin: people.end_membership(
                session, project_id=project.id, user_id=admin.id, actor_id=admin.id, by_instance_admin=False
            )
            for admin in admins
        ]
    )
    assert refusals(outcomes) == [409]
    left = real.scalars(sa.select(Membership.role).where(Membership.ended_at.is_(None))).all()
    assert left == [Role.ADMIN]


def test_of_two_new_consent_texts_at_once_both_become_versions(real, make):
    admin = make.admin()
    consent.ensure_first_version(real, actor_id=admin.id)
    real.commit()
    at_once(
        *[
            lambda session, n=n: consent.publish(session, body=f"Text number {n}. " * 20, actor_id=admin.id)
            for n in range(4)
        ]
    )
    assert real.scalars(sa.select(ConsentVersion.number).order_by(ConsentVersion.id)).all() == [1, 2, 3, 4, 5]


def test_a_sign_in_with_the_old_password_does_not_outlive_its_change(real, make):
    from app.accounts.passwords import hash_password

    user = make.user(password_hash=hash_password(PASSWORD))

    def enter(session):
        found = sign_in.verify(session, email=user.email, password=PASSWORD)
        return found and sign_in.start_session(session, found.id, address=None, user_agent="")

    def change(session):
        account.change_password(session, user_id=user.id, current_password=PASSWORD, password="nine otters under ice")

    at_once(change, *[enter] * (AT_ONCE - 1))
    assert real.scalars(sa.select(SignInSession.ended_at).where(SignInSession.ended_at.is_(None))).all() == []
