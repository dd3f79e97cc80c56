import pytest
import sqlalchemy as sa

from app.accounts.service import consent
from app.models import Consent, ConsentVersion

NEW_TEXT = "We now also record the colour of your bicycle, for a study of colours. " * 3


@pytest.fixture
def agreed(db, make, consent_text):
    """agreed(...) -> a user who has accepted the newest text."""

    def making(**values):
        version = consent.ensure_first_version(db, actor_id=make.admin().id)
        user = make.user(**values)
        consent.give(db, user_id=user.id, version_id=version.id)
        db.commit()
        return user

    return making


def test_until_it_is_accepted_every_page_leads_to_the_text(browse, make, consent_text):
    consent_text()
    browser = browse(make.admin())
    assert browser.get("/people/consent?x=1").headers["location"] == "/consent?next=/people/consent%3Fx%3D1"
    page = browser.get("/consent?next=/people/consent")
    assert ("What is recorded" in page.text, 'name="version" value="1"' in page.text) == (True, True)


def test_accepting_leads_on_and_is_recorded_with_its_version(db, browse, make, consent_text, deeds):
    version, user = consent_text(), make.admin()
    browser = browse(user)
    answer = browser.post("/consent", data={"version": 1, "has_consented": "true", "next": "/people/consent"})
    assert answer.headers["location"] == "/people/consent"
    assert db.execute(sa.select(Consent.user_id, Consent.consent_version_id)).all() == [(user.id, version.id)]
    assert browser.get("/people/consent").status_code == 200
    assert deeds()[-1] == "consent.give"


def test_accepting_twice_is_one_consent(db, browse, make, consent_text):
    consent_text()
    browser = browse(make.user())
    for _ in range(2):
        browser.post("/consent", data={"version": 1, "has_consented": "true"})
    assert db.scalar(sa.select(sa.func.count()).select_from(Consent)) == 1


@pytest.mark.parametrize("sent", [{"version": 1}, {"version": 1, "has_consented": "false"}])
def test_without_the_tick_nothing_is_accepted(db, browse, make, consent_text, sent):
    consent_text()
    answer = browse(make.user()).post("/consent", data=sent)
    assert (answer.status_code, "tick the box" in answer.text) == (422, True)
    assert db.scalars(sa.select(Consent)).all() == []


def test_a_text_that_changed_while_it_was_read_is_not_accepted(db, browse, make, consent_text):
    consent_text()
    consent.publish(db, body=NEW_TEXT, actor_id=make.admin().id)
    db.commit()
    answer = browse(make.user()).post("/consent", data={"version": 1, "has_consented": "true"})
    assert (answer.status_code, "has changed" in answer.text, "bicycle" in answer.text) == (422, True, True)
    assert db.scalars(sa.select(Consent)).all() == []


def test_accepting_never_leads_to_another_site(browse, make, consent_text):
    consent_text()
    sent = {"version": 1, "has_consented": "true", "next": "//evil.example"}
    assert browse(make.user()).post("/consent", data=sent).headers["location"] == "/"


def test_nobody_signed_in_is_sent_to_the_sign_in(browse):
    assert browse().get("/consent").headers["location"] == "/sign-in?next=/consent"


def test_publishing_asks_everybody_again_the_publisher_too(db, browse, agreed, deeds):
    browser = browse(agreed(is_instance_admin=True))
    answer = browser.post("/people/consent", data={"body": NEW_TEXT})
    assert answer.headers["location"] == "/people/consent"
    assert browser.get("/people/consent").headers["location"] == "/consent?next=/people/consent"
    assert db.scalars(sa.select(ConsentVersion.number).order_by(ConsentVersion.id)).all() == [1, 2]
    assert "consent.publish" in deeds()


def test_a_preview_publishes_nothing_and_runs_nothing(db, browse, agreed):
    body = "# Heading\n\n<script>alert(1)</script> " + NEW_TEXT
    page = browse(agreed(is_instance_admin=True)).post("/people/consent", data={"body": body, "preview": "1"})
    assert page.status_code == 200
    assert "Not published yet" in page.text
    assert "<script>alert(1)" not in page.text
    assert db.scalars(sa.select(ConsentVersion.number)).all() == [1]


@pytest.mark.parametrize("body", ["", "too short", "x" * 20_001])
def test_a_text_that_is_too_short_or_too_long_is_not_published(db, browse, agreed, body):
    answer = browse(agreed(is_instance_admin=True)).post("/people/consent", data={"body": body})
    assert (answer.status_code, "at least 100 characters" in answer.text) == (422, True)
    assert db.scalars(sa.select(ConsentVersion.number)).all() == [1]


def test_the_same_text_is_not_published_again(db, browse, agreed):
    browser = browse(agreed(is_instance_admin=True))
    body = db.scalars(sa.select(ConsentVersion.body)).one()
    answer = browser.post("/people/consent", data={"body": body})
    assert (answer.status_code, "in force already" in answer.text) == (422, True)


def test_only_instance_admins_publish(browse, agreed):
    browser = browse(agreed())
    assert browser.get("/people/consent").status_code == 403
    assert browser.post("/people/consent", data={"body": NEW_TEXT}).status_code == 403
