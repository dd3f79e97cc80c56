"""Alembic's entry: DATABASE_URL, one transaction a migration, a short wait for locks rather than a blocked site."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from app import models  # noqa: F401 - the tables register themselves
from app.config import settings
from app.database import Base

ADVISORY_LOCK = 7_262_015
# Postgres gives an expression index back in other words than it was written in; these are compared by eye.
EXPRESSION_INDEXES = {"ix_task_queue"}


def is_compared(_item: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    return not (kind == "index" and name in EXPRESSION_INDEXES)


def run() -> None:
    url = context.config.attributes.get("url") or settings().database_url
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Two processes that migrate at once: the second waits here and then finds nothing to do.
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            compare_type=True,
            include_object=is_compared,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()
