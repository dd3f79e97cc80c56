"""A new person: a sign-in with a good password, and the annotator whose pseudonym others see."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts import queries
from app.accounts.passwords import hash_password, password_problem
from app.accounts.pseudonyms import new_pseudonym
from app.errors import Conflict, Invalid
from app.models import User
from app.web.i18n import current_locale


def add_user(session: Session, *, name: str, email: str, password: str, is_instance_admin: bool = False) -> User:
    """A user with an annotator; Invalid names a field that cannot be used, Conflict an address that is taken."""
    require_good_password(password, email=email, name=name)
    user = queries.insert_user(
        session,
        name=name,
        email=email,
        password_hash=hash_password(password),
        is_instance_admin=is_instance_admin,
        is_active=True,
        locale=current_locale(),
        theme="auto",
    )
    if user is None:
        raise Conflict("There is a person with this e-mail address already.", code="email_taken", field="email")
    while queries.insert_annotator(session, user_id=user.id, pseudonym=new_pseudonym()) is None:
        continue
    return user


def require_good_password(password: str, *, email: str, name: str) -> None:
    problem = password_problem(password, email=email, name=name)
    if problem:
        raise Invalid(problem, code="weak_password", field="password")
