"""The inbox: messages to a person, copied to mail where SMTP is configured."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import audit
from app.accounts import people_queries, queries
from app.config import settings
from app.errors import NotFound
from app.models import Message, User
from app.queue import Job, enqueue
from app.web import i18n
from app.web.i18n import gettext as _


def has_mail() -> bool:
    """Whether this installation can send mail at all."""
    return bool(settings().smtp_url.get_secret_value())


def send_message(session: Session, user_id: int, subject: str, body: str, sender_id: int | None = None) -> Message:
    """Put a message into the person's inbox. `sender_id` None is the program itself."""
    message = Message(user_id=user_id, subject=subject, body=body, sender_id=sender_id)
    session.add(message)
    session.flush()
    if has_mail():
        enqueue(session, Job.SEND_MAIL, {"message_id": message.id}, key=f"message:{message.id}")
    return message


def notify(session: Session, user_id: int, subject: str, body: str, **parameters: object) -> Message | None:
    """A message from the program, in the reader's language: `subject` and `body` are msgids with %(name)s parameters.

    Nobody writes to a person who has been deactivated: None then.
    """
    user = session.get(User, user_id)
    if user is None or not user.is_active:
        return None
    with i18n.use_locale(user.locale):
        return send_message(session, user_id, _(subject) % parameters, _(body) % parameters)


def write_to(session: Session, *, user_id: int, subject: str, body: str, actor_id: int, project_id: int | None) -> None:
    """An admin writes to a person, under the admin's own name."""
    message = send_message(session, user_id, subject, body, sender_id=actor_id)
    audit.record(session, "message.send", actor_id=actor_id, project_id=project_id, target=message, user_id=user_id)


def open_message(session: Session, *, user_id: int, message_id: int) -> tuple[Message, str | None]:
    """(the person's own message, its sender's name), marked as read from now on."""
    found = people_queries.message(session, user_id, message_id)
    if found is None:
        raise NotFound
    message, sender = found
    if message.read_at is None:
        message.read_at = queries.now(session)
    return message, sender


def mark_all_read(session: Session, *, user_id: int) -> int:
    return people_queries.mark_all_read(session, user_id)
