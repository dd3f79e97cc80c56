"""Keeping processes alive, and making sure that none is left."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded import CannotStart, Child

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 20.0  # a trainer stores its checkpoint in that time
GUARD_SECONDS = 8.0
QUICK_DEATH_SECONDS = 10.0
QUICK_DEATHS = 4
LONGEST_PAUSE_SECONDS = 15.0


@dataclass
class Watched:
    """A process with what to do when it dies: the pauses grow, and after some quick deaths in a row it is given up."""

    child: Child
    start: Callable[[], None]
    started_at: float = field(default_factory=time.monotonic)
    restart_at: float | None = None
    quick_deaths: int = 0

    def tend(self) -> bool:
        """Start it again if it is time to; whether that was done. Raises CannotStart when it is given up."""
        if self.child.is_running():
            return False
        now = time.monotonic()
        if self.restart_at is None:
            self.child.end_group()
            self.quick_deaths = self.quick_deaths + 1 if now - self.started_at < QUICK_DEATH_SECONDS else 1
            if self.quick_deaths >= QUICK_DEATHS:
                raise CannotStart(
                    f"{self.child.name} ended {QUICK_DEATHS} times shortly after its start, so Accord was stopped. "
                    f"Its log {self.child.log} ends:\n{self.child.last_lines()}"
                )
            self.restart_at = now + min(LONGEST_PAUSE_SECONDS, 0.25 * 2**self.quick_deaths)
        if now < self.restart_at:
            return False
        self.restart_at, self.started_at = None, now
        self.start()
        return True


class Guard:
    """The process that ends the groups of web, workers and beat if this one is killed; see guard.py."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.process = self._started()

    def add(self, group: int) -> None:
        self.groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        self.groups.discard(group)
        self._tell(f"-{group}")

    def tend(self) -> None:
        if self.process.poll() is not None:
            self.process = self._started()
            for group in self.groups:
                self._tell(f"+{group}")

    def dismiss(self) -> None:
        self._tell("done")
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.process.wait()

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-S", str(GUARD), str(GUARD_SECONDS)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def _tell(self, line: str) -> None:
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
