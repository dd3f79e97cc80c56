"""Real servers for a test run: those in TEST_DATABASE_URL and TEST_REDIS_URL, or one embedded pair for all workers.

The embedded pair is kept by a process of its own (`python -m tests.support.servers FOLDER PID`), started by whichever
worker needs it first, since no worker lives as long as the run. It watches the run's main process and ends with it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
OWN_ROLE = "accord_tests"
# What is thrown away after the run need not survive a power cut.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


@dataclass(frozen=True)
class Running:
    """`database_url` signs in a role that may create databases; `superuser_url` is empty on servers that were given."""

    database_url: str
    redis_url: str
    superuser_url: str = ""


@lru_cache
def running() -> Running:
    """The run's servers, started by the first who asks."""
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL", ""), os.environ.get("TEST_REDIS_URL", "")
    if database_url and redis_url:
        return Running(database_url.replace("postgresql://", "postgresql+psycopg://"), redis_url)
    kept = embedded()
    return Running(
        database_url=database_url.replace("postgresql://", "postgresql+psycopg://") or kept.database_url,
        redis_url=redis_url or kept.redis_url,
        superuser_url="" if database_url else kept.superuser_url,
    )


def create_database(name: str, template: str | None = None) -> str:
    """A new database's URL: a copy of `template`, by default of one that all migrations were run on."""
    template = template or migrated_template()
    with maintenance() as connection:
        _drop(connection, name)
        names = sql.Identifier(name), sql.Identifier(template), sql.Identifier(owner())
        connection.execute(sql.SQL("create database {} template {} owner {}").format(*names))
    return url_of(name)


def create_empty_database(name: str) -> str:
    """A new database's URL, without any table: for tests of the migrations."""
    return create_database(name, template="template0")


def drop_database(url: str) -> None:
    name = sa.make_url(url).database or ""
    with maintenance() as connection:
        _drop(connection, name)


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Not `with (force)`: it wants to end autovacuum's worker too, which only a superuser may. A plain drop waits."""
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = current_user", [name]
    )
    connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))


def url_of(name: str) -> str:
    url = sa.make_url(running().database_url).set(database=name)
    if owner() == OWN_ROLE:
        url = url.set(username=OWN_ROLE, password=OWN_ROLE)
    return url.render_as_string(hide_password=False)


@lru_cache
def owner() -> str:
    """The role that the program under test signs in as: never a superuser, even where one was given to us."""
    with maintenance() as connection:
        found = connection.execute("select current_user, current_setting('is_superuser')").fetchone()
        assert found is not None
        if found[1] == "off":
            return str(found[0])
        connection.execute("select pg_advisory_lock(hashtext(%s))", [OWN_ROLE])
        if not connection.execute("select 1 from pg_roles where rolname = %s", [OWN_ROLE]).fetchone():
            role = sql.SQL("create role {} login password {}")
            connection.execute(role.format(sql.Identifier(OWN_ROLE), sql.Literal(OWN_ROLE)))
        return OWN_ROLE


def maintenance() -> psycopg.Connection[tuple[object, ...]]:
    url = running().database_url.replace("postgresql+psycopg://", "postgresql://")
    return psycopg.connect(url, autocommit=True)


@lru_cache
def migrated_template() -> str:
    """The template's name, which stands for what the migrations say; made by the first worker, the others wait."""
    name = f"accord_template_{fingerprint()}"
    with maintenance() as connection:
        connection.execute("select pg_advisory_lock(hashtext(%s))", [name])
        # The name appears by a rename once the migrations are through: one that was killed half-way is never used.
        if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            unfinished = create_database(f"{name}_unfinished", template="template0")
            environment = {**os.environ, "DATABASE_URL": unfinished}
            migrate = [sys.executable, "-m", "app", "migrate"]
            done = subprocess.run(migrate, cwd=ROOT, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"the migrations failed:\n{done.stdout}{done.stderr}")
            names = sql.Identifier(f"{name}_unfinished"), sql.Identifier(name)
            connection.execute(sql.SQL("alter database {} rename to {}").format(*names))
    return name


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def embedded() -> Running:
    """The kept pair of this run; one process starts the keeper while the others wait at the lock."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    born = Path(f"/proc/{owner}/stat").read_text().rpartition(")")[2].split()[19]
    folder = Path(tempfile.gettempdir()) / f"accord-tests-{os.geteuid()}-{owner}-{born}"
    folder.mkdir(mode=0o700, exist_ok=True)
    addresses = folder / "servers.json"
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not addresses.exists():
            start_keeper(folder, owner, addresses)
    return Running(**json.loads(addresses.read_text()))


def start_keeper(folder: Path, owner: int, addresses: Path) -> None:
    log = folder / "keeper.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.servers", str(folder), str(owner)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not addresses.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the servers for the tests did not start:\n{log.read_text()}")
        time.sleep(0.02)
    # It outlives this worker on purpose; nobody waits for it.
    keeper.returncode = 0


def keep(folder: Path, owner: int) -> None:
    """Run the servers until the process `owner` has ended, then remove their folder."""
    from app.embedded import claim, servers

    ended = os.pidfd_open(owner)
    with (
        claim(folder / "data") as data,
        servers(data, settings=SETTINGS, may_create_databases=True) as found,
    ):
        kept = Running(found.database_url, found.redis_url, found.superuser_url)
        unfinished = folder / "servers.json.unfinished"
        unfinished.write_text(json.dumps(asdict(kept)))
        unfinished.rename(folder / "servers.json")
        select.select([ended], [], [])
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
