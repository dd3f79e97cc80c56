import re

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app import config
from app.__main__ import cli
from app.accounts.service import resets
from app.errors import NotFound
from app.models import Job, Message, OneTimeLink, SignInSession
from tests.app.accounts.conftest import PASSWORD, path_of

NEW = "nine otters under ice"


@pytest.fixture
def user(person):
    return person(email="rosa@example.org")


@pytest.fixture
def link(db, make, user):
    """The path of an open reset link that an admin made."""
    _link, url = resets.create_link(db, user=user, actor_id=make.admin().id)
    db.commit()
    return path_of(url)


@pytest.fixture
def with_mail(monkeypatch):
    from pydantic import SecretStr

    monkeypatch.setattr(config.settings(), "smtp_url", SecretStr("smtp://127.0.0.1:1"))


def test_a_new_password_ends_every_sign_in_and_does_not_sign_in(db, browse, user, link, deeds):
    theirs = browse(user)
    browser = browse()
    answer = browser.post(link, data={"password": NEW})
    assert answer.headers["location"] == "/sign-in"
    assert "accord_session" not in answer.headers.get("set-cookie", "")
    assert theirs.get("/account").headers["location"] == "/sign-in?next=/account"
    assert all(db.scalars(sa.select(SignInSession.ended_at)).all())
    assert browse().post("/sign-in", data={"email": user.email, "password": PASSWORD}).status_code == 422
    assert browse().post("/sign-in", data={"email": user.email, "password": NEW}).status_code == 303
    assert {"password_reset.create", "password_reset.use"} <= set(deeds())
    assert db.scalars(sa.select(Message.subject)).all() == ["Your password was changed"]


def test_a_link_works_once(browse, link):
    browse().post(link, data={"password": NEW})
    for answer in (browse().get(link), browse().post(link, data={"password": NEW})):
        assert (answer.status_code, "has been used" in answer.text) == (410, True)


def test_a_weak_password_leaves_the_link_open(browse, link):
    answer = browse().post(link, data={"password": "short"})
    assert (answer.status_code, "at least 12" in answer.text) == (422, True)
    assert browse().post(link, data={}).status_code == 422
    assert browse().get(link).status_code == 200


def test_a_newer_link_replaces_the_older_one(db, browse, make, user, link):
    resets.create_link(db, user=user, actor_id=make.admin().id)
    db.commit()
    assert browse().get(link).status_code == 410


def test_a_change_of_password_ends_open_links(browse, user, link):
    browse(user).post("/account/password", data={"current_password": PASSWORD, "password": NEW})
    assert browse().get(link).status_code == 410


def test_an_expired_link_is_gone(db, browse, link):
    db.execute(sa.update(OneTimeLink).values(expires_at=sa.func.now()))
    db.commit()
    answer = browse().get(link)
    assert (answer.status_code, "expired" in answer.text) == (410, True)


def test_the_link_of_a_closed_account_is_gone(db, browse, user, link):
    user.is_active = False
    db.commit()
    assert browse().post(link, data={"password": NEW}).status_code == 410


def test_an_unknown_link_is_not_found(browse):
    assert browse().get("/reset/nothing").status_code == 404


def test_without_mail_the_page_sends_to_an_admin_and_nothing_is_queued(db, browse, user):
    assert "Ask an admin" in browse().get("/reset").text
    answer = browse().post("/reset", data={"email": user.email})
    assert (answer.status_code, "Ask an admin" in answer.text) == (200, True)
    assert db.scalars(sa.select(Job)).all() == []


@pytest.mark.usefixtures("with_mail")
def test_asking_looks_the_same_for_everybody_and_does_the_same_work(db, browse, user):
    answers = [browse().post("/reset", data={"email": email}) for email in (user.email, "nobody@example.org")]
    assert {answer.status_code for answer in answers} == {200}
    bodies = {re.sub(r'name="csrf_token" value="[^"]*"', "", answer.text) for answer in answers}
    assert len(bodies) == 1
    payloads = db.scalars(sa.select(Job.payload).order_by(Job.id)).all()
    assert payloads == [{"reset_email": user.email}, {"reset_email": "nobody@example.org"}]


@pytest.mark.usefixtures("with_mail")
def test_asking_again_while_the_mail_waits_queues_one_mail(db, browse, user):
    for email in (user.email, user.email.upper()):
        browse().post("/reset", data={"email": email})
    assert db.scalar(sa.select(sa.func.count()).select_from(Job)) == 1


@pytest.mark.usefixtures("with_mail")
def test_asking_is_throttled_by_account_and_by_address(browse):
    browser = browse()
    same = [browser.post("/reset", data={"email": "rosa@example.org"}).status_code for _ in range(11)]
    assert same == [200] * 10 + [429]
    others = [browser.post("/reset", data={"email": f"p{n}@example.org"}).status_code for n in range(20)]
    assert others[:19] == [200] * 19
    assert others[19] == 429


@pytest.mark.usefixtures("with_mail")
def test_whoever_failed_to_sign_in_may_still_ask_for_a_new_password(browse, user):
    browser = browse()
    for _ in range(11):
        refused = browser.post("/sign-in", data={"email": user.email, "password": "forgotten"})
    assert refused.status_code == 429
    assert browser.post("/reset", data={"email": user.email}).status_code == 200


def test_using_links_is_throttled(browse):
    browser = browse()
    answers = [browser.post("/reset/guess", data={"password": NEW}).status_code for _ in range(31)]
    assert answers == [404] * 30 + [429]


def test_the_command_prints_a_link_that_works(browse, user):
    result = CliRunner().invoke(cli, ["admin", "create-reset-link", "ROSA@example.org"])
    assert result.exit_code == 0
    assert browse().get(path_of(result.output.strip())).status_code == 200


def test_the_command_says_when_there_is_nobody(db):
    result = CliRunner().invoke(cli, ["admin", "create-reset-link", "nobody@example.org"])
    assert isinstance(result.exception, NotFound)
    assert "nobody@example.org" in str(result.exception)


def test_the_command_lists_active_admins_only(make):
    make.user(name="Ada Admin", email="ada@example.org", is_instance_admin=True)
    make.user(name="Gone Admin", is_instance_admin=True, is_active=False)
    make.user(name="No Admin")
    result = CliRunner().invoke(cli, ["admin", "list"])
    assert [line.split("\t")[1:] for line in result.output.splitlines()] == [["ada@example.org", "Ada Admin"]]
