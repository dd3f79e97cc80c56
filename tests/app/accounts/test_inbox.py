import pytest
import sqlalchemy as sa

from app.accounts.service import inbox
from app.models import Job, Message


@pytest.fixture
def write(db):
    """write(user, subject) -> a message in the user's inbox."""

    def writing(user, subject="A subject", body="A body.", sender=None):
        message = inbox.send_message(db, user.id, subject, body, sender.id if sender else None)
        db.commit()
        return message

    return writing


def test_unread_messages_stand_first_and_are_counted(browse, make, write):
    user = make.user()
    write(user, "The older one")
    second = write(user, "The newer one")
    browser = browse(user)
    browser.get(f"/inbox/{second.id}")
    page = browser.get("/inbox").text
    assert page.index("The older one") < page.index("The newer one")
    assert "1 unread message" in page


def test_opening_a_message_marks_it_as_read_once(db, browse, make, write):
    user = make.user()
    message = write(user, body="First line.\nSecond <b>line</b>.", sender=make.user(name="Sam Sender"))
    browser = browse(user)
    page = browser.get(f"/inbox/{message.id}")
    assert ("Sam Sender" in page.text, "&lt;b&gt;line" in page.text) == (True, True)
    db.refresh(message)
    first = message.read_at
    assert first is not None
    browser.get(f"/inbox/{message.id}")
    db.refresh(message)
    assert message.read_at == first


def test_all_are_marked_at_once_and_only_ones_own(db, browse, make, write):
    user, other = make.user(), make.user()
    for _ in range(3):
        write(user)
    write(other)
    assert browse(user).post("/inbox/read").headers["location"] == "/inbox"
    unread = db.scalars(sa.select(Message.user_id).where(Message.read_at.is_(None))).all()
    assert unread == [other.id]


@pytest.mark.parametrize("method", ["page", "api"])
def test_nobody_reads_somebody_elses_message(db, browse, make, write, method):
    message = write(make.user())
    admin = browse(make.admin())
    answer = admin.get(f"/inbox/{message.id}") if method == "page" else admin.post(f"/api/v1/inbox/{message.id}/read")
    assert answer.status_code == 404
    db.refresh(message)
    assert message.read_at is None


def test_an_empty_inbox_says_what_will_stand_there(browse, make):
    assert "No messages" in browse(make.user()).get("/inbox").text


def test_read_messages_come_in_pages(browse, make, write, monkeypatch):
    monkeypatch.setattr("app.accounts.pages.inbox.PAGE", 2)
    user = make.user()
    messages = [write(user, f"Number {n}") for n in range(3)]
    browser = browse(user)
    browser.post("/inbox/read")
    first = browser.get("/inbox").text
    assert ("Number 2" in first, "Number 0" in first) == (True, False)
    second = browser.get(f"/inbox?before={messages[1].id}").text
    assert ("Number 2" in second, "Number 0" in second) == (False, True)
    assert browser.get("/inbox?before=99999999999999999999").status_code == 422


def test_the_api_lists_reads_and_counts(browse, make, write):
    user = make.user()
    message = write(user, "Subject", sender=make.user(name="Sam Sender"))
    api = browse(user)
    listed = api.get("/api/v1/inbox").json()
    assert (listed["unread_count"], listed["items"][0]["sender"], listed["next_cursor"]) == (1, "Sam Sender", None)
    assert api.post(f"/api/v1/inbox/{message.id}/read").json()["read_at"] is not None
    assert api.get("/api/v1/inbox").json()["items"] == []
    assert api.get("/api/v1/inbox?is_read=true").json()["items"][0]["subject"] == "Subject"
    assert api.get("/api/v1/me").json()["unread_count"] == 0
    write(user)
    assert api.post("/api/v1/inbox/read").status_code == 204
    assert api.get("/api/v1/me").json()["unread_count"] == 0


def test_without_mail_a_message_queues_nothing(db, make, write):
    write(make.user())
    assert db.scalars(sa.select(Job)).all() == []


def test_the_program_writes_to_nobody_whose_account_is_closed(db, make):
    assert inbox.notify(db, make.user(is_active=False).id, "Subject", "Body") is None
    assert db.scalars(sa.select(Message)).all() == []
