import html
import re

import pytest
import sqlalchemy as sa

from app.accounts.service import consent
from app.models import ConsentVersion, SignInSession
from tests.app.accounts.conftest import PASSWORD

TEXT = 'A new text, with "quotes" & <signs>, over two lines.\nThe second line is kept as well. ' * 3


def fields(page, action):
    """What the page's form that posts to `action` would send when its button is pressed."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page.text, re.DOTALL).group()
    inputs = re.findall(r'<input type="hidden"\s+name="([^"]*)"\s+value="([^"]*)"', form)
    return {html.unescape(name): html.unescape(value) for name, value in inputs}


@pytest.fixture
def admin(person, db):
    user = person(is_instance_admin=True)
    version = consent.ensure_first_version(db, actor_id=user.id)
    consent.give(db, user_id=user.id, version_id=version.id)
    db.commit()
    return user


def versions(db):
    return db.scalars(sa.select(ConsentVersion.body).order_by(ConsentVersion.id)).all()


def test_a_form_over_an_expired_sign_in_survives_is_shown_again_and_saves_once(db, browse, admin):
    browser = browse(admin)
    db.execute(sa.update(SignInSession).values(ended_at=sa.func.now()))
    db.commit()

    kept = browser.post("/people/consent", data={"body": TEXT})
    assert kept.status_code == 401
    assert "second line is kept" in kept.text
    carried = fields(kept, "/sign-in")
    assert (carried["next"], carried["kept_body"]) == ("/people/consent", TEXT)

    wrong = browser.post("/sign-in", data={**carried, "email": admin.email, "password": "wrong"})
    assert wrong.status_code == 422
    carried = fields(wrong, "/sign-in")
    assert carried["kept_body"] == TEXT

    shown = browser.post("/sign-in", data={**carried, "email": admin.email, "password": PASSWORD})
    assert shown.status_code == 200
    assert len(versions(db)) == 1  # nothing is sent by itself

    again = fields(shown, "/people/consent")
    assert browser.post("/people/consent", data=again).status_code == 303
    assert versions(db)[1:] == [TEXT.strip()]


def test_a_form_over_a_new_consent_text_survives_it(db, browse, admin):
    browser = browse(admin)
    consent.publish(db, body="Something else is recorded now. " * 10, actor_id=admin.id)
    db.commit()

    kept = browser.post("/people/consent", data={"body": TEXT})
    assert kept.status_code == 403
    asked = browser.post("/consent", data=fields(kept, "/consent"))
    assert (asked.status_code, "Something else is recorded" in asked.text) == (200, True)
    shown = browser.post("/consent", data={**fields(asked, "/consent"), "has_consented": "true"})
    assert shown.status_code == 200
    assert browser.post("/people/consent", data=fields(shown, "/people/consent")).status_code == 303
    assert versions(db)[2:] == [TEXT.strip()]


def test_a_form_with_an_old_token_is_shown_again_with_a_fresh_one(db, browse, admin):
    browser = browse(admin)
    del browser.headers["X-CSRF-Token"]
    refused = browser.post("/people/consent", data={"body": TEXT, "csrf_token": "old"})
    assert refused.status_code == 403
    again = fields(refused, "/people/consent")
    assert again["body"] == TEXT
    assert browser.post("/people/consent", data=again).status_code == 303
    assert versions(db)[1:] == [TEXT.strip()]


def test_every_value_of_a_name_is_kept_and_no_password(db, browse, admin):
    browser = browse()
    sent = {"tag": ["one", "two"], "password": "never carried along", "current_password": "nor this"}
    kept = browser.post("/people/consent", data=sent)
    assert re.findall(r'name="kept_tag"\s+value="([^"]*)"', kept.text) == ["one", "two"]
    assert "carried along" not in kept.text
    assert "nor this" not in kept.text


def test_a_kept_form_is_never_addressed_to_another_site(browse, admin):
    sent = {"email": admin.email, "password": PASSWORD, "next": "https://evil.example/take", "kept_body": "secret"}
    shown = browse().post("/sign-in", data=sent)
    assert shown.status_code == 200
    assert "evil.example" not in shown.text


def test_values_of_a_kept_form_run_nothing(browse, admin):
    hostile = {'kept_"><script>': "</dd><script>alert(1)</script>"}
    sent = {"email": admin.email, "password": PASSWORD, "next": "/x", **hostile}
    shown = browse().post("/sign-in", data=sent)
    assert "<script>alert" not in shown.text
    assert '"><script>' not in shown.text
