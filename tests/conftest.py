"""Fixtures: real Postgres migrated once into a template, one database a worker, one savepoint a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("ACCORD_ENVIRONMENT", "test")
os.environ.setdefault("ACCORD_LOG_LEVEL", "ERROR")

import pytest
import sqlalchemy as sa
import structlog
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from app import config, database
from tests.support import servers
from tests.support.browsing import Browser
from tests.support.factories import Factory

TRAINERS = Path(__file__).resolve().parent / "workers"
DATA_FOLDER = Path(os.environ.get("ACCORD_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What loads torch stands in folders of its own and takes long: a stage of its own."""
    for item in items:
        if item.path.is_relative_to(TRAINERS / "algorithms") or item.path.is_relative_to(TRAINERS / "training"):
            item.add_marker(pytest.mark.training)


def forget_settings() -> None:
    config.settings.cache_clear()
    database.engine.cache_clear()
    database.session_factory.cache_clear()


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """This worker's own database, cloned from the migrated template; the process's settings point at it."""
    url = servers.create_database(f"accord_test_{worker_id}_{os.getpid()}")
    os.environ["DATABASE_URL"] = url
    os.environ["ACCORD_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    forget_settings()
    yield url
    database.engine().dispose()
    servers.drop_database(url)


@pytest.fixture
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session whose commits are savepoints; all that the test and the program under it write is rolled back.

    The program's own units of work run on the same connection.
    """
    structlog.contextvars.clear_contextvars()
    with database.engine().connect() as connection:
        outer = connection.begin()
        factory = sessionmaker(bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        monkeypatch.setattr(database, "session_factory", lambda: factory)
        with factory() as session:
            yield session
        outer.rollback()


@pytest.fixture
def make(db: Session) -> Factory:
    """Makes rows with sensible defaults: make.user(), make.project(), make.task(project), ..."""
    return Factory(db)


@pytest.fixture(scope="session")
def application(database_url: str) -> FastAPI:
    """One application a worker: FastAPI analyses every route on an application's first request, a quarter second.

    No test may add to it; one that must makes its own.
    """
    from app.main import create_app

    return create_app()


@pytest.fixture
def anonymous(application: FastAPI, db: Session) -> Iterator[TestClient]:
    """A client nobody has signed in with."""
    application.middleware_stack = None  # built anew on the first request: the rate limit and the gate remember
    with TestClient(application, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


@pytest.fixture
def browse(anonymous: TestClient, db: Session, make: Factory) -> Browser:
    """browse(user) -> a client signed in as that user, that fills in the CSRF token of each post."""
    return Browser(anonymous.app, db, make)  # type: ignore[arg-type]


@pytest.fixture
def count_statements(db: Session) -> object:
    """`with count_statements() as counted: ...; assert len(counted) <= n` counts the SQL statements sent."""
    engine = database.engine()

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                seen.append(statement)

        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)

    return counting


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; absent on a developer's machine, present in CI."""
    if not DATA_FOLDER.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"ACCORD_DATA: {DATA_FOLDER} does not exist, and CI must not skip")
        pytest.skip(f"the folder of real data is absent: set ACCORD_DATA (looked in {DATA_FOLDER})")
    return DATA_FOLDER
