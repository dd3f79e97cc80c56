"""Engine, declarative base and the unit of work, which is the only place that commits.

One request or one task is one transaction. Callbacks registered with `after_commit` (job wake-ups, mail) run once the
commit has succeeded and die with a rollback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

import structlog
from sqlalchemy import BigInteger, DateTime, Engine, MetaData, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from app.config import settings

log = structlog.get_logger(__name__)

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
JSON = dict[str, Any]
AFTER_COMMIT = "accord_after_commit"


class Base(DeclarativeBase):
    """All tables; times are UTC with zone, integers that count rows are 64 bits wide, objects are jsonb."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[Any] = {
        datetime: DateTime(timezone=True),
        int: BigInteger,
        JSON: JSONB,
        dict[str, str]: JSONB,
        list[Any]: JSONB,
    }


@lru_cache
def engine() -> Engine:
    """The process's pool, made on first use. A statement or a lock that takes absurdly long ends in an error."""
    config = settings()
    return create_engine(
        config.database_url,
        pool_size=config.database_pool_size,
        max_overflow=0,
        pool_timeout=config.request_queue_seconds,
        pool_pre_ping=True,
        connect_args={
            "application_name": "accord",
            "options": "-c timezone=utc -c statement_timeout=120s -c lock_timeout=20s "
            "-c idle_in_transaction_session_timeout=300s",
            "connect_timeout": 10,
        },
    )


@lru_cache
def session_factory() -> sessionmaker[Session]:
    return sessionmaker(bind=engine(), expire_on_commit=False, autoflush=True)


@contextlib.contextmanager
def unit_of_work() -> Iterator[Session]:
    """Commits on success, rolls back on any error, then runs what was registered with `after_commit`."""
    with session_factory()() as session:
        yield session
        session.commit()


def end_of_writing(session: Session) -> None:
    """Commit now and give the connection back, for a request that computes long on what it has read.

    Objects stay as they are; another statement would begin a transaction of its own.
    """
    session.commit()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once this transaction has been committed; never after a rollback.

    A callback that fails is logged, not raised: the data is safe, and a sweep makes up for what was not sent.
    """
    session.info.setdefault(AFTER_COMMIT, []).append(callback)


@event.listens_for(Session, "after_commit")
def _run_after_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for callback in session.info.pop(AFTER_COMMIT, []):
        try:
            callback()
        except Exception:
            log.exception("after_commit_failed")


@event.listens_for(Session, "after_soft_rollback")
def _forget_after_rollback(session: Session, previous: Any) -> None:
    if previous.nested:
        return
    session.info.pop(AFTER_COMMIT, None)


def is_reachable() -> bool:
    """Whether the database answers; for /readyz."""
    with engine().connect() as connection:
        return bool(connection.execute(text("select 1")).scalar_one() == 1)
