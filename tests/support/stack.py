"""The whole program as a person starts it, for tests that drive it from outside: `python -m app up` in a folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Stack:
    """A running Accord: its address, its set-up link, its process and its data folder."""

    url: str
    setup_url: str
    process: subprocess.Popen[bytes]
    data: Path

    def output(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def start_stack(data: Path, *, seconds: float = 90.0, **environment: str) -> Stack:
    """Start it and wait until it is ready; fails with what it printed when it does not get there."""
    port = free_port()
    log = data.parent / f"{data.name}.log"
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    inherited["ACCORD_ENVIRONMENT"] = "development"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "up", "--port", str(port), "--data", str(data)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**inherited, **environment},
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        found = re.search(r"https?://\S+/setup/\S+", text)
        if found and is_ready(url):
            return Stack(url, found.group(0), process, data)
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"Accord did not get ready:\n{log.read_text(errors='replace')[-4000:]}")


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
