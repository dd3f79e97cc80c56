import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app.__main__ import cli
from app.accounts.service import setup
from app.models import Annotator, Consent, ConsentVersion, OneTimeLink, User
from app.web.security import session_cookie_name
from tests.app.accounts.conftest import PASSWORD, path_of

FORM = {"name": "Ada Admin", "email": "ada@example.org", "password": PASSWORD, "has_consented": "true"}


@pytest.fixture
def link(db):
    """The path of an open set-up link."""
    url = setup.setup_link(db)
    db.commit()
    return path_of(url)


def users(db):
    return db.scalar(sa.select(sa.func.count()).select_from(User))


def test_the_command_prints_a_link_made_from_the_public_address(db):
    result = CliRunner().invoke(cli, ["setup-link"])
    assert result.exit_code == 0
    assert result.output.startswith("http://127.0.0.1:8000/setup/")


def test_the_command_prints_nothing_once_there_is_an_admin(db, make):
    make.admin()
    result = CliRunner().invoke(cli, ["setup-link"])
    assert (result.exit_code, result.output) == (0, "")


def test_only_the_hash_of_the_token_is_stored(db, link):
    assert link.removeprefix("/setup/").encode() not in db.scalars(sa.select(OneTimeLink.token_hash)).all()


def test_the_page_shows_the_consent_text_and_asks_for_name_address_and_password(browse, link):
    page = browse().get(link)
    assert page.status_code == 200
    for expected in ('name="name"', 'name="email"', 'name="password"', 'name="has_consented"', "What is recorded"):
        assert expected in page.text


def test_the_first_admin_is_made_signed_in_and_has_consented(db, browse, link, deeds):
    browser = browse()
    answer = browser.post(link, data=FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    user = db.scalars(sa.select(User)).one()
    assert user.is_instance_admin
    assert user.password_hash.startswith("$argon2id$")
    assert db.scalars(sa.select(Annotator.user_id)).one() == user.id
    assert db.scalars(sa.select(ConsentVersion.number)).all() == [1]
    assert db.scalars(sa.select(Consent.user_id)).one() == user.id
    assert browser.get("/sign-in").headers["location"] == "/"
    assert {"setup_link.create", "setup.complete", "consent.publish", "consent.give", "session.start"} <= set(deeds())


def test_the_cookie_is_closed_to_scripts_and_other_sites(browse, link):
    cookie = browse().post(link, data=FORM).headers["set-cookie"]
    assert cookie.startswith(session_cookie_name())
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # the tests' PUBLIC_URL is plain HTTP


def test_a_link_works_once(db, browse, link):
    browse().post(link, data=FORM)
    for answer in (browse().get(link), browse().post(link, data={**FORM, "email": "eve@example.org"})):
        assert answer.status_code == 410
        assert "has been used" in answer.text
    assert users(db) == 1


def test_a_newer_link_replaces_the_older_one(db, browse, link):
    setup.setup_link(db)
    db.commit()
    assert browse().get(link).status_code == 410


def test_an_unknown_link_is_not_found(browse):
    answer = browse().get("/setup/nothing-of-the-kind")
    assert answer.status_code == 404
    assert "setup-link" in answer.text


def test_an_expired_link_is_gone(db, browse, link):
    db.execute(sa.update(OneTimeLink).values(expires_at=sa.func.now()))
    db.commit()
    answer = browse().get(link)
    assert answer.status_code == 410
    assert "expired" in answer.text


def test_an_open_link_is_gone_once_there_is_an_admin(browse, link, make):
    make.admin()
    assert browse().post(link, data=FORM).status_code == 410


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "Please fill this in."),
        ({"name": "two\nlines"}, "one line"),
        ({"email": "not an address"}, "Please give an e-mail address"),
        ({"email": "a@b\x00.org"}, "Please give an e-mail address"),
        ({"password": "eleven char"}, "at least 12 characters"),
        ({"password": "x" * 300}, "at most 256 characters"),
        ({"password": "password1234"}, "lists that attackers try"),
        ({"password": "ADA@example.org"}, "cannot be your password"),
        ({"password": "adaadaadaada", "name": "ADAadaadaada"}, "cannot be your password"),
        ({"has_consented": ""}, "tick"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field_and_the_rest_is_kept(db, browse, link, change, sentence):
    sent = {**FORM, **change}
    answer = browse().post(link, data={name: value for name, value in sent.items() if value})
    assert answer.status_code == 422
    assert sentence in answer.text
    kept = "name" if "email" in change else "email"
    assert f'value="{sent[kept]}"' in answer.text
    assert sent["password"] not in answer.text
    assert users(db) == 0


def test_all_that_is_wrong_is_said_at_once(browse, link):
    answer = browse().post(link, data={**FORM, "password": "short", "has_consented": ""})
    assert ("at least 12" in answer.text, "tick the box" in answer.text) == (True, True)


def test_too_many_posts_are_told_to_wait(browse):
    browser = browse()
    answers = [browser.post("/setup/guess", data=FORM).status_code for _ in range(31)]
    assert answers[:30] == [404] * 30
    assert answers[30] == 429
