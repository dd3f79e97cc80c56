import os

import pytest

from tests.integrity.world import World
from tests.support import servers


@pytest.fixture
def world(worker_id):
    """A database of this test's own, in which every commit is a real one; checked for faults when the test ends."""
    url = servers.create_database(f"accord_integrity_{worker_id}_{os.getpid()}")
    made = World(url)
    yield made
    try:
        assert made.faults() == []
    finally:
        made.close()
        servers.drop_database(url)
