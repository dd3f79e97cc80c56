"""One child process: started so that it dies with its parent, its output in a log, stopped in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.02


class CannotStart(Exception):
    """Why Accord cannot run here, as one sentence for the person at the terminal."""


@dataclass
class Child:
    """A program with a log and a process group of its own; a terminal's Ctrl-C reaches only the parent.

    `death_signal` is what the kernel sends when the parent dies, `stop_signal` asks it to end in order.
    """

    name: str
    command: Sequence[str]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    identity: str = "same"
    environment: Mapping[str, str] | None = None
    directory: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                launch(self.command, death_signal=self.death_signal, identity=self.identity),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if self.environment is None else dict(self.environment),
                cwd=self.directory,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.is_running() and self.process is not None:
            self.process.send_signal(number)

    def stop(self, *, seconds: float) -> bool:
        """Ask it to end; after `seconds` end its whole group. Whether it ended by itself."""
        self.send(self.stop_signal)
        ended = self.wait(seconds)
        self.end_group()
        return ended

    def wait(self, seconds: float) -> bool:
        return wait_until(lambda: not self.is_running(), seconds)

    def end_group(self) -> None:
        """SIGKILL to everything left in the group, grandchildren of a leader that has died included."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_lines(self, count: int = 15) -> str:
        return tail(self.log, count)


def launch(command: Sequence[str], *, death_signal: signal.Signals, identity: str = "same") -> list[str]:
    """`command` behind the launcher that ties it to this process."""
    shim = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal)), identity]
    return [*shim, *command]


def tail(log: Path, count: int) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it holds or the time is over; its last value."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return condition()
        time.sleep(POLL_SECONDS)
    return True


def end_orphan(pid: int, *, mark: str, signals: Sequence[signal.Signals], seconds: float) -> bool:
    """End a server of a former run that still works on our data, with each signal in turn; False if it will not go.

    `mark` must stand in the process's command line, as pids are reused: without it, the pid is somebody else's.
    """
    for number in signals:
        if not is_ours(pid, mark):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: not is_ours(pid, mark), seconds):
            return True
    return not is_ours(pid, mark)


def is_ours(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
