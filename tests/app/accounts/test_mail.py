"""Mail through a real connection to a small SMTP server of the test's own."""

from __future__ import annotations

import email
import email.policy
import re
import socketserver
import threading
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from app import config
from app.accounts.service import inbox, invitations, mail, resets
from app.errors import ConfigurationError
from app.models import Job, Message, OneTimeLink, Role
from tests.app.accounts.conftest import PASSWORD, path_of


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as smtplib speaks; accepts one message, or refuses every recipient."""

    def handle(self) -> None:
        self.say("220 test")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                self.say("250 test")
            elif verb == "RCPT" and self.server.refuses:  # type: ignore[attr-defined]
                self.say("550 no such mailbox")
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                while (content := self.rfile.readline()) != b".\r\n":
                    lines.append(content)
                self.server.received.append(b"".join(lines))  # type: ignore[attr-defined]
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def smtp(monkeypatch):
    server = socketserver.TCPServer(("127.0.0.1", 0), _Session)
    server.received, server.refuses = [], False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(config.settings(), "smtp_url", SecretStr(f"smtp://127.0.0.1:{server.server_address[1]}"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def received(server):
    return [email.message_from_bytes(content, policy=email.policy.default) for content in server.received]


def deliver_all(db):
    """What the worker does with the queued mail; returns the results."""
    reporter = SimpleNamespace(fence=lambda _session: None)
    db.commit()
    jobs = db.scalars(sa.select(Job).order_by(Job.id)).all()
    return [mail.deliver(job, reporter) for job in jobs]


def test_a_message_is_mailed_and_marked(db, make, smtp):
    user = make.user(email="maria@example.org")
    message = inbox.send_message(db, user.id, "Grüße", "Ein Satz.\n\nNoch einer.")
    assert deliver_all(db) == [{"sent": True}]
    (sent,) = received(smtp)
    assert (sent["to"], sent["subject"], sent["from"]) == ("maria@example.org", "Grüße", "accord@localhost")
    assert "Noch einer." in sent.get_content()
    assert "http://127.0.0.1:8000/inbox" in sent.get_content()
    db.refresh(message)
    assert message.mailed_at is not None
    assert deliver_all(db) == [{"sent": False}]  # a job that comes twice sends once


def test_an_invitation_with_an_address_leaves_by_mail_and_is_shown_to_nobody(db, browse, make, smtp):
    project, admin = make.project(name="Herons"), make.user(name="Ines Inviter", is_instance_admin=True)
    page = browse(admin).post(
        f"/projects/{project.id}/invitations",
        data={"role": "annotator", "email": "nina@example.org", "note": "Welcome!"},
    )
    assert page.headers["location"] == f"/projects/{project.id}/people?done=mailed"
    deliver_all(db)
    (sent,) = received(smtp)
    assert (sent["to"], sent["subject"]) == ("nina@example.org", "Invitation to Herons")
    assert "Ines Inviter" in sent.get_content()
    assert "Welcome!" in sent.get_content()
    link = path_of(re.search(r"http://\S+/invitations/\S+", sent.get_content()).group())
    form = {"name": "Nina", "email": "nina@example.org", "password": PASSWORD, "has_consented": "true"}
    assert browse().post(link, data=form).status_code == 303


def test_a_withdrawn_invitation_is_not_mailed(db, make, smtp):
    admin, project = make.admin(), make.project()
    link, url = invitations.invite(
        db, project_id=project.id, role=Role.ANNOTATOR, email="nina@example.org", note="", actor_id=admin.id
    )
    assert url is None
    invitations.revoke(db, project_id=project.id, link_id=link.id, actor_id=admin.id)
    assert deliver_all(db) == [{"sent": False}]
    assert smtp.received == []


def test_a_reset_is_mailed_to_whom_it_concerns_and_to_nobody_else(db, browse, make, smtp):
    user, closed = make.user(email="rosa@example.org"), make.user(is_active=False)
    for address in ("ROSA@example.org", closed.email, "nobody@example.org"):
        resets.ask_by_mail(db, email=address)
    assert deliver_all(db) == [{"sent": True}, {"sent": False}, {"sent": False}]
    (sent,) = received(smtp)
    assert sent["to"] == user.email
    assert browse().get(path_of(re.search(r"http://\S+/reset/\S+", sent.get_content()).group())).status_code == 200


def test_an_admins_reset_link_and_the_mailed_one_both_work_until_one_is_used(db, browse, make, smtp):
    user = make.user()
    _link, url = resets.create_link(db, user=user, actor_id=make.admin().id)
    deliver_all(db)
    mailed = re.search(r"http://\S+/reset/\S+", received(smtp)[0].get_content()).group()
    assert mailed != url
    assert browse().post(path_of(mailed), data={"password": PASSWORD}).status_code == 303
    assert browse().get(path_of(url)).status_code == 410


def test_no_job_holds_a_link(db, make, smtp):
    admin, project, user = make.admin(), make.project(), make.user()
    invitations.invite(db, project_id=project.id, role=Role.ADMIN, email="nina@example.org", note="", actor_id=admin.id)
    resets.create_link(db, user=user, actor_id=admin.id)
    payloads = db.scalars(sa.select(Job.payload)).all()
    assert len(payloads) == 2
    assert not [payload for payload in payloads if "http" in str(payload)]


def test_a_server_that_refuses_is_an_error_that_the_worker_tries_again(db, make, smtp):
    smtp.refuses = True
    message = inbox.send_message(db, make.user().id, "Subject", "Body")
    with pytest.raises(Exception, match="no such mailbox"):
        deliver_all(db)
    db.refresh(message)
    assert message.mailed_at is None


def test_a_subject_of_several_lines_adds_no_header(db, make, smtp):
    inbox.send_message(db, make.user().id, "Hello\nBcc: everybody@example.org", "Body")
    deliver_all(db)
    (sent,) = received(smtp)
    assert sent["bcc"] is None
    assert sent["subject"] == "Hello Bcc: everybody@example.org"


@pytest.mark.parametrize("url", ["http://mail.example.org", "smtp://", "mail.example.org"])
def test_an_address_that_is_no_mail_server_is_said_so(monkeypatch, db, url):
    monkeypatch.setattr(config.settings(), "smtp_url", SecretStr(url))
    with pytest.raises(ConfigurationError, match="ACCORD_SMTP_URL"):
        mail.send(mail.Mail("a@example.org", "Subject", "Body"))


def test_when_mail_was_taken_out_of_the_settings_queued_mail_is_dropped(db, make, smtp, monkeypatch):
    inbox.send_message(db, make.user().id, "Subject", "Body")
    monkeypatch.setattr(config.settings(), "smtp_url", SecretStr(""))
    assert deliver_all(db) == [{"sent": False}]


def test_a_mailed_invitation_can_still_be_handed_on_by_a_new_link(db, browse, make, smtp):
    admin, project = make.admin(), make.project()
    browser = browse(admin)
    browser.post(f"/projects/{project.id}/invitations", data={"role": "annotator", "email": "nina@example.org"})
    invitation_id = db.scalars(sa.select(OneTimeLink.id)).one()
    page = browser.post(f"/projects/{project.id}/invitations/{invitation_id}/renew")
    assert re.search(r'value="http://127.0.0.1:8000/invitations/[\w-]+"', page.text)
    assert db.scalars(sa.select(Message)).all() == []
