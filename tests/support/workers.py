"""Real workers on a database and a broker of their own, for tests that kill, stop and starve them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import database, queue
from app.models import AuditEvent, Job
from tests.conftest import forget_settings
from tests.support import servers
from tests.support.upping import wait_for
from tests.support.worker_app import KIND

ROOT = Path(__file__).resolve().parent.parent.parent
ALONE = ("--without-mingle", "--without-gossip")
QUICK = {"ACCORD_JOB_LEASE_SECONDS": "2", "ACCORD_JOB_HEARTBEAT_SECONDS": "0.3", "ACCORD_SWEEP_SECONDS": "0.3"}


@dataclass
class Arena:
    """The database and broker, and the processes started on them; jobs are enqueued in this process."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, concurrency: int = 2) -> subprocess.Popen[bytes]:
        return self._start("worker", "--queues", "default", "--concurrency", str(concurrency), *ALONE)

    def trainer(self, concurrency: int = 1) -> subprocess.Popen[bytes]:
        return self._start("worker", "--queues", "train", "--concurrency", str(concurrency), *ALONE)

    def beat(self) -> subprocess.Popen[bytes]:
        return self._start("beat", "--schedule", str(self.folder / f"beat-{len(self.processes)}"))

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{arguments[0]}-{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.support.worker_app", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def enqueue(self) -> int:
        with database.unit_of_work() as session:
            return queue.enqueue(session, KIND, {"folder": str(self.folder)}).id

    def job(self, job_id: int) -> Job:
        with database.unit_of_work() as session:
            return session.get_one(Job, job_id)

    def keys(self, kind: queue.Job) -> list[str]:
        """The unique keys of all jobs of a kind, ended ones too."""
        with database.unit_of_work() as session:
            return list(session.scalars(sa.select(Job.unique_key).where(Job.kind == kind)))

    def runs(self) -> list[tuple[int, int, int]]:
        """(job id, process id, attempt) of each beginning, in order."""
        noted = self.folder / "runs"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]

    def outcomes(self) -> list[int]:
        """The attempts that wrote an outcome."""
        with database.unit_of_work() as session:
            found = session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "test.held"))
            return [int(event.detail["attempt"]) for event in found]

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted(self.folder.glob("*.log")))

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        wait_for(lambda: bool(condition()), "the condition of the test", self.logs, seconds)


@contextmanager
def arena(folder: Path, monkeypatch: pytest.MonkeyPatch, worker_id: str, **environment: str) -> Iterator[Arena]:
    """An Arena whose processes are gone at its end, whatever happened to them."""
    url = servers.create_database(f"accord_workers_{worker_id}_{os.getpid()}")
    for name, value in {
        **QUICK,
        "DATABASE_URL": url,
        "REDIS_URL": broker_url(worker_id),
        **environment,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ACCORD_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("ACCORD_LOG_LEVEL", "INFO")
    forget()
    made = Arena(folder)
    try:
        empty_broker()
        yield made
    finally:
        for process in made.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        empty_broker()
        database.engine().dispose()
        monkeypatch.undo()
        forget()
        servers.drop_database(url)


def forget() -> None:
    """The process's settings, pool and broker are read anew."""
    if database.engine.cache_info().currsize:
        database.engine().dispose()
    forget_settings()
    with suppress(Exception):
        queue.broker().close()
    queue.broker.cache_clear()


def empty_broker() -> None:
    with queue.broker().connection_for_write() as connection:
        connection.default_channel.client.flushdb()


def broker_url(worker_id: str) -> str:
    """A numbered database of the run's broker for each test worker, so that none takes another's messages."""
    number = 1 + int(worker_id.removeprefix("gw") or 0) if worker_id.startswith("gw") else 1
    url = servers.running().redis_url
    if "virtual_host=" in url:
        return url.replace("virtual_host=0", f"virtual_host={number}")
    return f"{url.rstrip('/').removesuffix('/0')}/{number}"
