"""`up`: everything on one machine under one process, which starts, watches, restarts and stops the others.

What is promised: one address when all is ready; a child that dies alone is started again; Ctrl-C stops in order;
however this process or the `make` above it dies, nothing stays behind; what cannot work here is said in a sentence.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app import embedded
from app.embedded import CannotStart, Child
from app.supervisor.addresses import published
from app.supervisor.machine import check_machine, rotate_logs, secret_key
from app.supervisor.signals import PARENT_VARIABLE, Stopped, StopSignals, stop_with_parent
from app.supervisor.watched import STOP_SECONDS, Guard, Watched

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 60.0
TICK_SECONDS = 0.1


def up(*, port: int, data_dir: Path, commands: Mapping[str, Sequence[str]] | None = None) -> int:
    """Run until a signal; the exit code.

    `commands` replaces the programs by name (migrate, web, worker, trainer, beat, setup-link), so that tests can watch
    simpler ones. Must be called by the main thread: it takes the signals, and the children die with the thread.
    """
    programs = {**default_commands(port), **(commands or {})}
    stop = StopSignals()
    with stop.caught():
        try:
            stop_with_parent()
            with embedded.claim(data_dir) as folder:
                check_machine(folder, port)
                with running(folder, port, programs, stop) as system:
                    watch(system, stop)
        except Stopped:
            pass
        except CannotStart as error:
            say(str(error), file=sys.stderr)
            return 1
        say("Accord has stopped; everything is kept.")
        return 0


def default_commands(port: int) -> dict[str, list[str]]:
    program = [sys.executable, "-m", "app"]
    return {
        "migrate": [*program, "migrate"],
        "web": [*program, "serve", "--port", str(port)],
        "worker": [*program, "worker"],
        "trainer": [*program, "worker", "--queues", "train"],
        "beat": [*program, "beat"],
        "setup-link": [*program, "setup-link"],
    }


@dataclass
class System:
    """All that runs, and what is needed to speak about it."""

    folder: Path
    port: int
    programs: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    guard: Guard
    watched: list[Watched]
    children: list[Child]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> Child:
        """Start web, worker, trainer or beat, and keep it alive from now on."""
        log = self.folder / "logs" / f"{name}.log"
        child = Child(name, self.programs[name], log, environment=self.environment, directory=ROOT)
        self.children.append(child)
        start = guarded_start(child, self.guard)
        start()
        self.watched.append(Watched(child, start))
        return child

    def tend(self) -> None:
        """One look at everything. Raises CannotStart when something cannot be kept alive."""
        self.guard.tend()
        for one in self.watched:
            if one.tend():
                say(f"{one.child.name} had ended and was started again; see {one.child.log}")


@contextmanager
def running(folder: Path, port: int, programs: Mapping[str, Sequence[str]], stop: StopSignals) -> Iterator[System]:
    """Servers and migrations, ready for web, workers and beat; all stopped in order however the block ends."""
    rotate_logs(folder / "logs")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "ACCORD_DATA_DIR": str(folder)}
    environment.setdefault("PUBLIC_URL", f"http://127.0.0.1:{port}")
    environment.setdefault("ACCORD_SECRET_KEY", secret_key(folder))
    environment.pop(PARENT_VARIABLE, None)
    needs = {"postgres": not environment.get("DATABASE_URL"), "valkey": not environment.get("REDIS_URL")}
    if any(needs.values()):
        say(f"Starting {' and '.join(name for name, needed in needs.items() if needed)} in {folder} ...")
    with ExitStack() as stack:
        servers = stack.enter_context(embedded.servers(folder, postgres=needs["postgres"], valkey=needs["valkey"]))
        environment["DATABASE_URL"] = servers.database_url or environment["DATABASE_URL"]
        environment["REDIS_URL"] = servers.redis_url or environment["REDIS_URL"]
        migrate(programs["migrate"], folder, environment)
        stack.enter_context(published(folder, environment))
        guard = Guard()
        stack.callback(guard.dismiss)
        watched = [Watched(server.child, server.start) for server in servers.running]
        system = System(folder, port, programs, environment, guard, watched, children=[])
        stack.callback(stop_children, system.children, stop)
        yield system


def guarded_start(child: Child, guard: Guard) -> Callable[[], None]:
    def start() -> None:
        former = child.process
        child.start()
        if former is not None:
            guard.remove(former.pid)
        if child.process is not None:
            guard.add(child.process.pid)

    return start


def watch(system: System, stop: StopSignals) -> None:
    """Start the web, then the others, say where it is, and keep everything alive until a signal comes.

    The web comes first and alone: beside it the worker's imports would make the first page seconds later.
    """
    try:
        web = system.start("web")
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(system.port):
            system.tend()
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"The web server did not become ready within {READY_SECONDS:.0f} seconds, so Accord was stopped. "
                    f"Its log {web.log} ends:\n{web.last_lines()}"
                )
            time.sleep(TICK_SECONDS)
        for name in ("worker", "trainer", "beat"):
            system.start(name)
        announce(system)
    finally:
        stop.only_count()
    while not stop.count:
        system.tend()
        time.sleep(TICK_SECONDS)
    say("Stopping ... (Ctrl-C again hastens)")


def announce(system: System) -> None:
    say(f"Accord is ready: {system.address}")
    link = setup_link(system)
    if link:
        say(f"Make the first admin here, once: {link}")
    say(f"Ctrl-C stops it. Everything is kept in {system.folder}")


def setup_link(system: System) -> str:
    """The one-time link, or nothing once there is an admin."""
    try:
        asked = subprocess.run(
            system.programs["setup-link"],
            cwd=ROOT,
            env=dict(system.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return ""
    return asked.stdout.strip()


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def migrate(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    child = Child("migrate", command, folder / "logs" / "migrate.log", environment=environment, directory=ROOT)
    try:
        child.start()
        while not child.wait(1):
            pass
    finally:
        child.end_group()
    if child.process is None or child.process.returncode != 0:
        raise CannotStart(
            f"The database could not be brought to this version: {reason_in(child.last_lines(200))} "
            f"Nothing was started; the whole story is in {child.log}"
        )


def reason_in(text: str) -> str:
    """The line that says what happened: a program's own sentence, or the first error of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*: ", line)]
    return (errors or lines[-1:] or ["it said nothing."])[0]


def stop_children(children: Sequence[Child], stop: StopSignals) -> None:
    """Ask all to end, wait for all, end what is left with all that it started."""
    for child in children:
        child.send(child.stop_signal)
    counted, deadline = stop.count, time.monotonic() + STOP_SECONDS
    while any(child.is_running() for child in children):
        if stop.count > max(counted, 1) or time.monotonic() > deadline:
            break
        time.sleep(TICK_SECONDS / 4)
    for child in children:
        child.end_group()


def say(text: str, *, file: TextIO | None = None) -> None:
    """A terminal that has gone must not keep the rest from being stopped."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=file or sys.stdout, flush=True)
