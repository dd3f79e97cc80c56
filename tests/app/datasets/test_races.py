"""Many freezes at once, each in a transaction of its own on real Postgres: no number twice, none lost."""

import os
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from app import database
from app.datasets import service
from app.datasets.schemas import FreezePolicy
from app.models import DatasetVersion
from tests.support import servers
from tests.support.factories import Factory

AT_ONCE = 8


@pytest.fixture
def real(database_url, worker_id, monkeypatch):
    """A session that commits, on a database of its own; the program's units of work are there too."""
    url = servers.create_database(f"accord_datasets_{worker_id}_{os.getpid()}")
    engine = sa.create_engine(url, pool_size=AT_ONCE + 2, connect_args={"options": "-c lock_timeout=20s"})
    factory = sessionmaker(bind=engine, expire_on_commit=False)
    monkeypatch.setattr(database, "session_factory", lambda: factory)
    with factory() as session:
        yield session
    engine.dispose()
    servers.drop_database(url)


def test_versions_asked_for_at_once_get_numbers_of_their_own(real):
    project = Factory(real).project()
    gate = threading.Barrier(AT_ONCE)
    errors = []

    def ask():
        try:
            gate.wait(timeout=10)
            with database.unit_of_work() as session:
                service.freeze(session, project_id=project.id, actor_id=None, policy=FreezePolicy())
        except Exception as error:  # noqa: BLE001 - the test looks at what it was
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    numbers = real.scalars(sa.select(DatasetVersion.number).order_by(DatasetVersion.number)).all()
    assert numbers == list(range(1, AT_ONCE + 1))
