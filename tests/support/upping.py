"""Starts `up` as a process of its own, and finds every process that belongs to it, whoever its parent is by now."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.servers import ROOT
from tests.support.stack import free_port

STUBS = [sys.executable, "-m", "tests.support.stubs"]


class Up:
    """One `up` with stub programs on a folder; `command` starts it in another way (by make, in a namespace)."""

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        command: Sequence[str] = (),
        shares_folder: bool = False,
        **environment: str,
    ) -> None:
        self.data = data
        self.shares_folder = shares_folder
        self.port = port or free_port()
        self.mark = uuid.uuid4().hex
        self.output_file = data.parent / f"{self.mark}.out"
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        inherited.pop("ACCORD_SECRET_KEY", None)
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                list(command) or [*STUBS, "up", "--port", str(self.port), "--data", str(data)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, "ACCORD_TEST_MARK": self.mark, **environment},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    def until_ready(self) -> Self:
        wait_for(lambda: "Ctrl-C stops it" in self.output() or self.process.poll() is not None, "ready", self.output)
        assert self.process.poll() is None, self.output()
        wait_for(
            lambda: all((self.data / f"{name}.json").exists() for name in ("web", "worker", "trainer", "beat")), "stubs"
        )
        return self

    def ends(self, seconds: float = 30) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def noted(self, name: str) -> dict[str, Any]:
        """What the stub `name` noted when it started last: its pid and environment."""
        found: dict[str, Any] = json.loads((self.data / f"{name}.json").read_text())
        return found

    def pid_of(self, name: str) -> int:
        if name == "postgres":
            return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])
        if name == "valkey":
            return int((self.data / "valkey" / "valkey.pid").read_text())
        return int(self.noted(name)["pid"])

    def processes(self) -> list[int]:
        """All that live: known by their environment, or, as Postgres writes over its own, by where they stand."""
        entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [int(entry.name) for entry in entries if is_alive(entry) and self._is_ours(entry)]

    def _is_ours(self, entry: Path) -> bool:
        try:
            if self.mark.encode() in (entry / "environ").read_bytes():
                return True
            return not self.shares_folder and (entry / "cwd").readlink().is_relative_to(self.data)
        except OSError:
            return False

    def leaves_nothing(self, seconds: float = 20) -> None:
        wait_for(lambda: not self.processes(), "no process to be left", lambda: describe(self.processes()), seconds)


def is_alive(entry: Path) -> bool:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def describe(pids: Sequence[int]) -> str:
    lines = []
    for pid in pids:
        try:
            lines.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_text().replace(chr(0), ' ')}")
        except OSError:
            continue
    return "\n".join(lines)


def wait_for(
    condition: Callable[[], bool], what: str, told: Callable[[], str] = lambda: "", seconds: float = 40
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}; {told()}"
        time.sleep(0.05)
