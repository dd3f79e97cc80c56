"""Throttles that every web process shares: counters per key and window in Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.database import unit_of_work
from app.errors import TooManyRequests
from app.models import Throttle


def count_attempt(key: str, *, limit: int, window: timedelta, message: str) -> None:
    """Count one attempt in a transaction of its own, so that a failed request is counted too.

    Call it before the request's session has touched the database: it takes a connection for itself. Raises
    TooManyRequests with `message` once `limit` attempts were made in this window.
    """
    now = datetime.now(UTC)
    seconds = window.total_seconds()
    start = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
    with unit_of_work() as session:
        count = session.scalar(
            insert(Throttle)
            .values(key=key, window_start=start, count=1)
            .on_conflict_do_update(index_elements=["key", "window_start"], set_={"count": Throttle.count + 1})
            .returning(Throttle.count)
        )
    if count is not None and count > limit:
        raise TooManyRequests(message, retry_after=max(1, int((start + window - now).total_seconds())))


def forget_attempts(session: Session, key: str) -> None:
    """A success clears the counter of its key."""
    session.execute(sa.delete(Throttle).where(Throttle.key == key))


def return_attempt(session: Session, key: str) -> None:
    """A success is not a failed attempt: take one back, where many people share the key and none may clear it."""
    newest = sa.select(sa.func.max(Throttle.window_start)).where(Throttle.key == key).scalar_subquery()
    session.execute(
        sa.update(Throttle)
        .where(Throttle.key == key, Throttle.window_start == newest, Throttle.count > 0)
        .values(count=Throttle.count - 1)
    )


def purge(session: Session, *, older_than: timedelta = timedelta(days=1)) -> None:
    session.execute(sa.delete(Throttle).where(Throttle.window_start < datetime.now(UTC) - older_than))
