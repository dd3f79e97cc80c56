"""Mail, sent by the worker: copies of inbox messages, invitations, and password-reset links.

A job names what to send and never holds a secret: links are made when the mail is. A mail that fails is tried again
with a fresh link, so that no address is ever stored anywhere but in the mail itself.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from app.accounts import queries
from app.accounts.service import invitations, resets
from app.accounts.service.inbox import has_mail
from app.config import settings
from app.database import JSON, unit_of_work
from app.errors import ConfigurationError
from app.models import Job as JobRow
from app.models import Message, User
from app.queue import Reporter
from app.web import i18n
from app.web.i18n import gettext as _

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Mail:
    to: str
    subject: str
    body: str


def deliver(job: JobRow, reporter: Reporter) -> JSON | None:
    """The handler of Job.SEND_MAIL. What has become pointless meanwhile (a withdrawn invitation) is not sent."""
    if not has_mail():
        return {"sent": False}
    with unit_of_work() as session:
        reporter.fence(session)
        mail = compose(session, job.payload)
    if mail is None:
        return {"sent": False}
    send(mail)
    if "message_id" in job.payload:
        with unit_of_work() as session:
            reporter.fence(session)
            session.get_one(Message, job.payload["message_id"]).mailed_at = queries.now(session)
    return {"sent": True}


def compose(session: Session, payload: JSON) -> Mail | None:
    """The mail that a job asks for, with fresh links; None when there is nobody to write to, or no reason any more."""
    if "message_id" in payload:
        return _message(session, payload["message_id"])
    if "invitation_id" in payload:
        return _invitation(session, payload["invitation_id"])
    return _reset(session, payload["reset_email"])


def _message(session: Session, message_id: int) -> Mail | None:
    message = session.get(Message, message_id)
    user = session.get(User, message.user_id) if message is not None else None
    if message is None or user is None or not user.is_active or message.mailed_at is not None:
        return None
    with i18n.use_locale(user.locale):
        footer = _("You can read this in your inbox, too: %(url)s") % {"url": f"{settings().public_url}/inbox"}
    return Mail(user.email, message.subject, f"{message.body}\n\n-- \n{footer}")


def _invitation(session: Session, link_id: int) -> Mail | None:
    found = invitations.mailed_link(session, link_id=link_id)
    if found is None:
        return None
    link, url = found
    project = queries.project_name(session, link.project_id or 0)
    inviter = queries.user_name(session, link.created_by_id or 0)
    lines = [_("%(name)s invites you to the project %(project)s.") % {"name": inviter, "project": project}]
    if link.note:
        lines.append(link.note)
    lines += [_("Open this link to join:"), url]
    return Mail(link.email, _("Invitation to %(project)s") % {"project": project}, "\n\n".join(lines))


def _reset(session: Session, email: str) -> Mail | None:
    found = resets.mailed_link(session, email=email)
    if found is None:
        return None
    user, url = found
    with i18n.use_locale(user.locale):
        body = _(
            "Somebody asked for a new password for your account. Open this link to choose one:\n\n%(url)s\n\n"
            "If it was not you, there is nothing to do: your password stays as it is."
        ) % {"url": url}
        return Mail(user.email, _("Choose a new password"), body)


def send(mail: Mail) -> None:
    """Through the server of ACCORD_SMTP_URL. A password never travels without TLS, except on this machine."""
    parts = urlsplit(settings().smtp_url.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ConfigurationError("ACCORD_SMTP_URL must read smtp://user:password@host:587 or smtps://…")
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            parts.hostname, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(parts.hostname, parts.port or 587, timeout=TIMEOUT_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.username and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ConfigurationError("The mail server offers no TLS, so its password is not sent. Use smtps://")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(_message_of(mail))


def _message_of(mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings().mail_from
    message["To"] = mail.to
    message["Subject"] = " ".join(mail.subject.split())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message
