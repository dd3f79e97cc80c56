"""One training process: its lines as they come, its end in order or at once."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.embedded.process import launch, tail

Event = dict[str, Any]
STDERR = "stderr.log"


def command(algorithm: str) -> list[str]:
    """-P: the child's folder holds data, and no module of it shall ever be imported."""
    return [sys.executable, "-P", "-m", "workers.child", algorithm]


class TrainingProcess:
    """`python -m workers.child ALGORITHM` in a group of its own, which dies with the thread that started it.

    A thread reads its lines, so that a parent that is busy storing a checkpoint never makes it wait.
    """

    def __init__(self, algorithm: str, spec: Event, *, folder: Path, environment: Mapping[str, str]) -> None:
        self.stderr = folder / STDERR
        with self.stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                launch(command(algorithm), death_signal=signal.SIGKILL),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="training-lines", daemon=True)
        self._reader.start()
        self._write(json.dumps(spec).encode() + b"\n")

    def next(self, seconds: float) -> Event | None:
        """The next event within `seconds`; raises EOFError once there can be no more."""
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        if event is None:
            self._events.put(None)
            raise EOFError
        return event

    def beat(self) -> None:
        """Tell it that the lease was renewed."""
        self._write(b"\n")

    def ask_to_stop(self) -> None:
        """It keeps its step in a checkpoint and ends by itself."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self, *, seconds: float) -> None:
        """Ask, wait for `seconds`, then end what is left."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        self.kill()

    def kill(self) -> None:
        """End it and all that it started; may be called twice and from any thread."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self, *, patience: float = 0.0) -> int:
        """Leave nothing behind, and give the exit code; a negative one is the signal that ended it.

        `patience` is how many seconds it may take to end by itself.
        """
        if patience:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=patience)
        self.kill()
        code = self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        return code

    def last_words(self, count: int = 20) -> str:
        return tail(self.stderr, count)

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a library that prints
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                self._events.put(event)
        self._events.put(None)
