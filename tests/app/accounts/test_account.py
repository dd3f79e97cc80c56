import re

import pytest
import sqlalchemy as sa

from app.accounts.service import account
from app.models import ApiToken, SignInSession, User
from app.web.security import session_cookie_name
from tests.app.accounts.conftest import PASSWORD
from tests.support.browsing import HOST

NEW = "nine otters under ice"


def bearer(browse, token):
    return browse(authorization=f"Bearer {token}")


def make_token(browser, name="notebook"):
    page = browser.post("/account/tokens", data={"name": name})
    assert page.status_code == 200
    return re.search(r'value="(accord_[^"]+)"', page.text).group(1)


def test_the_page_shows_profile_sign_ins_and_tokens(browse, person):
    page = browse(person(name="Paula Person")).get("/account")
    for expected in ("Paula Person", "Present password", "Where you are signed in", "This one", "Make a token"):
        assert expected in page.text


def test_a_profile_is_changed_and_recorded(db, browse, person, deeds):
    user = person()
    answer = browse(user).post("/account/profile", data={"name": " New Name ", "locale": "en", "theme": "dark"})
    assert answer.headers["location"] == "/account?done=profile"
    db.refresh(user)
    assert (user.name, user.theme) == ("New Name", "dark")
    assert deeds()[-1] == "user.change_profile"


@pytest.mark.parametrize("change", [{"name": ""}, {"locale": "tlh"}, {"theme": "neon"}, {"name": "x" * 101}])
def test_a_profile_that_cannot_be_used_changes_nothing(db, browse, person, change):
    user = person(name="Before")
    answer = browse(user).post("/account/profile", data={"name": "After", "locale": "en", "theme": "dark", **change})
    assert answer.status_code == 422
    db.refresh(user)
    assert user.name == "Before"


@pytest.mark.parametrize(
    ("theme", "then", "kept", "location"),
    [("dark", "/inbox", "dark", "/inbox"), ("neon", "/inbox", "auto", "/inbox"), ("light", "//evil", "light", "/")],
)
def test_the_theme_switch_leads_back_to_the_page(db, browse, person, theme, then, kept, location):
    user = person()
    answer = browse(user).post("/account/theme", data={"theme": theme, "next": then})
    assert answer.headers["location"] == location
    db.refresh(user)
    assert user.theme == kept


def test_a_new_password_ends_all_other_sign_ins_and_rotates_this_one(db, browse, person, deeds):
    user = person()
    here, elsewhere = browse(user), browse(user)
    before = here.cookies[session_cookie_name()]
    answer = here.post("/account/password", data={"current_password": PASSWORD, "password": NEW})
    assert answer.headers["location"] == "/account?done=password"
    assert here.cookies[session_cookie_name()] != before
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").headers["location"] == "/sign-in?next=/account"
    here.cookies.set(session_cookie_name(), before, domain=HOST)
    assert here.get("/account").status_code == 303
    assert "user.change_password" in deeds()
    assert browse().post("/sign-in", data={"email": user.email, "password": PASSWORD}).status_code == 422
    assert browse().post("/sign-in", data={"email": user.email, "password": NEW}).status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "sentence"),
    [
        ("not this one", NEW, "not your present password"),
        (PASSWORD, "short", "at least 12"),
        (PASSWORD, "password1234", "lists that attackers"),
        ("", NEW, "fill this in"),
    ],
)
def test_a_password_that_is_refused_ends_nothing(db, browse, person, current, new, sentence):
    user = person()
    browser = browse(user)
    answer = browser.post("/account/password", data={"current_password": current, "password": new})
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert browser.get("/account").status_code == 200
    assert db.scalars(sa.select(SignInSession.ended_at)).all() == [None]


def test_a_sign_in_can_be_ended_from_elsewhere(db, browse, person, deeds):
    user = person()
    here, lost = browse(user), browse(user)
    lost_id = db.scalars(sa.select(SignInSession.id).order_by(SignInSession.id.desc())).first()
    assert here.post(f"/account/sessions/{lost_id}/end").status_code == 303
    assert lost.get("/account").status_code == 303
    assert here.get("/account").status_code == 200
    assert deeds()[-1] == "session.end"
    assert here.post(f"/account/sessions/{lost_id}/end").status_code == 404


def test_all_others_are_ended_at_once(browse, person):
    user = person()
    here, *others = browse(user), browse(user), browse(user)
    here.post("/account/sessions/end-others")
    assert [other.get("/account").status_code for other in others] == [303, 303]
    assert here.get("/account").status_code == 200


def test_nobody_ends_somebody_elses_sign_in(db, browse, person):
    victim = browse(person())
    sign_in_id = db.scalars(sa.select(SignInSession.id)).one()
    assert browse(person(is_instance_admin=True)).post(f"/account/sessions/{sign_in_id}/end").status_code == 404
    assert victim.get("/account").status_code == 200


def test_a_token_is_shown_once_stored_as_a_hash_and_speaks_for_the_person(db, browse, person, deeds):
    user = person()
    browser = browse(user)
    token = make_token(browser)
    assert token.startswith("accord_")
    assert token not in browser.get("/account").text
    stored = db.scalars(sa.select(ApiToken)).one()
    assert token.encode() not in stored.token_hash
    assert stored.prefix == token[:13]
    assert bearer(browse, token).get("/api/v1/me").json()["email"] == user.email
    db.refresh(stored)
    assert stored.last_used_at is not None
    assert deeds()[-1] == "token.create"


def test_a_revoked_token_is_refused_on_the_next_request(db, browse, person):
    browser = browse(person())
    token = make_token(browser)
    token_id = db.scalars(sa.select(ApiToken.id)).one()
    assert browser.post(f"/account/tokens/{token_id}/revoke").status_code == 303
    answer = bearer(browse, token).get("/api/v1/me")
    assert (answer.status_code, "revoked" in answer.json()["detail"]) == (401, True)
    assert browser.post(f"/account/tokens/{token_id}/revoke").status_code == 404


def test_nobody_revokes_somebody_elses_token(db, browse, person):
    token = make_token(browse(person()))
    token_id = db.scalars(sa.select(ApiToken.id)).one()
    assert browse(person()).post(f"/account/tokens/{token_id}/revoke").status_code == 404
    assert bearer(browse, token).get("/api/v1/me").status_code == 200


def test_a_token_can_neither_make_tokens_nor_change_the_password(browse, person):
    client = bearer(browse, make_token(browse(person())))
    password = {"current_password": PASSWORD, "password": NEW}
    for answer in (
        client.post("/account/tokens", data={"name": "more"}),
        client.post("/api/v1/account/tokens", json={"name": "more"}),
        client.post("/account/password", data=password),
        client.post("/api/v1/account/password", json=password),
    ):
        assert answer.status_code == 403


def test_tokens_need_a_name_and_have_a_limit(db, browse, person, monkeypatch):
    monkeypatch.setattr(account, "MOST_TOKENS", 1)
    browser = browse(person())
    assert browser.post("/account/tokens", data={"name": " "}).status_code == 422
    make_token(browser)
    answer = browser.post("/account/tokens", data={"name": "second"})
    assert (answer.status_code, "Revoke one first" in answer.text) == (422, True)


def test_a_session_of_a_deactivated_person_is_worth_nothing(db, browse, person):
    user = person()
    browser = browse(user)
    db.execute(sa.update(User).values(is_active=False))
    db.commit()
    assert browser.get("/account").status_code == 303


def test_the_way_of_reading_is_kept_and_stands_on_every_page(make, browse):
    client = browse(make.user())
    sent = {"text_size": "xl", "reading_width": "s", "motion": "reduced"}
    assert client.post("/account/reading", data=sent).headers["location"] == "/account?done=reading#reading"
    page = client.get("/").text
    assert 'data-text-size="xl" data-reading-width="s" data-motion="reduced"' in page
    assert client.get("/api/v1/me").json()["reading"] == {**sent, "covers_warned": False}
    back = client.put("/api/v1/account/reading", json={"text_size": "m", "covers_warned": True}).json()["reading"]
    assert (back["text_size"], back["reading_width"], back["covers_warned"]) == ("m", "m", True)
    assert client.post("/account/reading", data={**sent, "text_size": "huge"}).status_code == 422
