"""Real web processes on loopback ports, and clients that judge over HTTP: as programs, and as browsers with htmx."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from app.accounts.tokens import hash_token
from app.web.security import CSRF_HEADER, session_cookie_name, visit_cookie_name
from tests.integrity.world import Person, World
from tests.support.browsing import VISIT, csrf_for
from tests.support.stack import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 180
PATIENCE = 60.0
HTMX = {"HX-Request": "true"}


@contextlib.contextmanager
def web(world: World, n: int = 1, *, pool: int = 10, program: str = "app", **variables: str) -> Iterator[list[str]]:
    """The addresses of `n` web processes over the world's database; `program` is the module that is run."""
    with web_processes(world, n, pool=pool, program=program, **variables) as served:
        yield list(served)


@contextlib.contextmanager
def web_processes(
    world: World, n: int = 1, *, pool: int = 10, program: str = "app", **variables: str
) -> Iterator[dict[str, int]]:
    """The same, with the process id of each address."""
    environment = {
        **os.environ,
        "DATABASE_URL": world.url,
        "ACCORD_ENVIRONMENT": "test",
        "ACCORD_LOG_LEVEL": "CRITICAL",
        "ACCORD_DATABASE_POOL_SIZE": str(pool),
        "ACCORD_REQUEST_RATE": "1000000",
        **variables,
    }
    ports = [free_port() for _ in range(n)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", program, "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for port in ports
    ]
    try:
        served = {f"http://127.0.0.1:{port}": process for port, process in zip(ports, processes, strict=True)}
        for address, process in served.items():
            wait_until_ready(address, process)
        yield {address: process.pid for address, process in served.items()}
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the web process ended by itself"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"no web process answered at {address}")


# The server ends connections that were idle for five seconds: one that is used again just then is cut.
SHORT_LIVED = httpx.Limits(keepalive_expiry=1.0)


def program(address: str, person: Person) -> httpx.AsyncClient:
    """A client of the JSON API with the person's token."""
    return httpx.AsyncClient(
        base_url=address,
        headers={"Authorization": f"Bearer {person.token}"},
        timeout=PATIENCE,
        trust_env=False,
        limits=SHORT_LIVED,
    )


def browser(address: str, person: Person) -> httpx.AsyncClient:
    """A browser in which the person is signed in (see `sign_in`)."""
    return httpx.AsyncClient(
        base_url=address,
        headers={CSRF_HEADER: csrf_for(VISIT)},
        cookies={visit_cookie_name(): VISIT, session_cookie_name(): cookie(person)},
        timeout=PATIENCE,
        trust_env=False,
        limits=SHORT_LIVED,
    )


def cookie(person: Person) -> str:
    return f"sign_in_of_{person.user_id:08d}"


def sign_in(world: World, people: list[Person]) -> None:
    world.sql(
        "INSERT INTO sign_in_session (user_id, token_hash, expires_at, user_agent)"
        " SELECT u, h, now() + interval '1 day', ''"
        " FROM unnest(cast(:users AS bigint[]), cast(:hashes AS bytea[])) AS t(u, h)",
        users=[person.user_id for person in people],
        hashes=[hash_token(cookie(person)) for person in people],
    )


async def all_of(coroutines) -> list:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in coroutines]
    return [task.result() for task in tasks]
